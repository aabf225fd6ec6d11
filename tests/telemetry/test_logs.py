"""A line of the log, as a machine reads it."""

import json
import logging
import subprocess
import sys

import pytest

from telemetry.logs import JsonFormatter, Principals, principal_key
from telemetry.requests import Request, handling
from tests.e2e.deployment import ROOT
from tests.mcp_gateway.test_tools import wait_until
from wivmcp import settings

FORMATTER = JsonFormatter(principal_key("a secret key"))


def record(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("here", logging.INFO, __file__, 1, message, arguments, None)
    made.__dict__.update(fields)
    return made


def test_no_text_can_begin_a_line_of_its_own():
    line = FORMATTER.format(record("%s", '"}\n{"level": "ERROR", "message": "forged\r\u2028'))
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert json.loads(line)["level"] == "INFO"


def test_an_exception_is_part_of_its_line():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        line = FORMATTER.format(record("it failed", exc_info=sys.exc_info()))
    assert len(line.splitlines()) == 1
    assert "ValueError: two" in json.loads(line)["exception"]


def test_what_others_hang_on_a_record_is_left_out():
    line = json.loads(FORMATTER.format(record("text", request="a whole request", status=404)))
    assert "request" not in line
    assert line["status"] == 404


def test_a_person_is_a_hash_that_nobody_without_the_key_can_make():
    hash_of = Principals(principal_key("a secret key")).hash_of
    assert hash_of("ana", "acme") == hash_of("ana", "acme")
    others = {hash_of("ana", "other"), hash_of("max", "acme")}
    others.add(Principals(principal_key("another key")).hash_of("ana", "acme"))
    assert len({hash_of("ana", "acme"), *others}) == 4
    assert hash_of("", "") == ""


def test_a_line_has_what_is_known_of_its_request_and_nothing_empty():
    with handling(Request("an-id-of-ours", subject="ana", organization_id="acme")):
        line = json.loads(FORMATTER.format(record("text")))
    assert line["request_id"] == "an-id-of-ours"
    assert "ana" not in line.values()
    assert "tool" not in line


@pytest.mark.parametrize(
    ("variables", "formatter"),
    [
        ({}, "json"),
        ({"DEBUG": "1"}, "text"),
        ({"LOG_FORMAT": "text"}, "text"),
        ({"LOG_FORMAT": "json", "DEBUG": "1"}, "json"),
    ],
)
def test_lines_are_for_machines_unless_somebody_is_at_work_on_it(variables, formatter):
    code = "import tests.settings as s; print(s.LOGGING['handlers']['stderr']['formatter'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == formatter, done.stderr


def test_the_key_behind_the_hashes_isnt_the_secret_key_itself():
    assert principal_key(settings.SECRET_KEY) != settings.SECRET_KEY.encode()


# One line a request ------------------------------------------------------------------------------


def access_line(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """Written when the answer has been sent, so perhaps a moment after it was read."""

    def lines() -> list[logging.LogRecord]:
        return [each for each in caplog.records if each.name == "telemetry.access"]

    wait_until(lines)
    [line] = lines()
    return line


def test_a_request_is_one_line_without_its_query(http, caplog):
    caplog.set_level("INFO", "telemetry.access")
    http.get("/oauth/callback?code=a-secret-code&state=a-secret-state")
    line = access_line(caplog)
    assert (line.path, line.status) == ("/oauth/callback", 400)  # type: ignore[attr-defined]
    assert "secret" not in line.getMessage()


def test_a_paths_line_breaks_arent_the_logs(http, caplog):
    caplog.set_level("INFO", "telemetry.access")
    http.get("/nothing%0Ahere%1b[2J")
    line = access_line(caplog)
    assert line.getMessage().startswith("GET /nothing?here?[2J 404")


def test_who_asks_whether_all_is_well_leaves_no_line_where_it_is(http, caplog):
    caplog.set_level("INFO", "telemetry.access")
    http.get("/healthz")
    http.get("/nothing")
    assert access_line(caplog).path == "/nothing"  # type: ignore[attr-defined]
