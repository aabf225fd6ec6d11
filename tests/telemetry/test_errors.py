"""What an error tracker is told, and above all what it isn't."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.deployment import ROOT, deployed
from tests.robot import PLAIN_HTTP
from tests.telemetry.collector import Collector, collecting

FAILS = """
import logging, sys
from telemetry import errors
from telemetry.requests import Request, handling

def call(argument):
    local = argument + " and more"
    raise LookupError(f"no row has {local}")

errors.start(sys.argv[1], "1.0", "test")
with handling(Request("an-id-of-ours", subject="a-secret-subject")):
    try:
        call("a-secret-argument")
    except LookupError:
        logging.getLogger("here").exception("%s failed", "a-secret-name")
"""


def dsn(collector: Collector) -> str:
    return collector.url.replace("http://", "http://public@") + "/7"


def events(collector: Collector) -> list[dict[str, Any]]:
    """A Sentry envelope is lines of JSON: its header, then each item's header and payload."""
    lines = [body.splitlines() for body in collector.bodies("/api/7/envelope/")]
    return [json.loads(payload) for _, _, payload in lines]


def test_an_error_is_told_with_its_kind_and_place_and_nothing_of_what_it_was_about():
    with collecting() as collector:
        command = [sys.executable, "-c", FAILS, dsn(collector)]
        subprocess.run(command, cwd=ROOT, check=True, timeout=60)
        sent = b"".join(body for _, _, body in collector.received)
        [event] = events(collector)
    [exception] = event["exception"]["values"]
    assert exception["type"] == "LookupError"
    assert [frame["function"] for frame in exception["stacktrace"]["frames"]] == [
        *("<module>", "call"),
    ]
    assert event["logentry"] == {"message": "%s failed"}
    assert event["tags"] == {"request_id": "an-id-of-ours"}
    assert b"a-secret" not in sent


def test_a_server_whose_database_is_broken_tells_so_without_what_was_asked(tmp_path: Path):
    database = tmp_path / "db.sqlite3"
    with collecting() as collector:
        with (
            deployed(tmp_path, f"sqlite:///{database}", SENTRY_DSN=dsn(collector)) as deployment,
            httpx2.Client(base_url=deployment.url, verify=PLAIN_HTTP, timeout=30) as http,
        ):
            connection = sqlite3.connect(database)
            connection.execute("ALTER TABLE oauth_bridge_application RENAME TO away")
            connection.commit()
            connection.close()
            headers = {"Cookie": "a=a-secret-cookie", "User-Agent": "a-secret-agent"}
            query = {"client_id": "a-secret-client", "state": "a-secret-state"}
            answer = http.get("/authorize", params=query, headers=headers)
        sent = b"".join(body for _, _, body in collector.received)
        told = events(collector)
    assert answer.status_code == 503
    assert answer.headers["x-request-id"] in {event["tags"]["request_id"] for event in told}
    assert b"a-secret" not in sent
    assert str(tmp_path).encode() not in sent
    assert {event["environment"] for event in told} == {"production"}
