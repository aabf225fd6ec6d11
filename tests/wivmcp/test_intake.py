"""What of a request gets as far as Django's pages and the OAuth endpoints."""

import gzip
import io
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.conf import settings

from tests.mcp_gateway.test_tools import wait_until
from tests.wivmcp.raw_client import raw_client
from wivmcp.intake import MAX_UPLOAD_BYTES, UPLOADS_AT_ONCE

UPLOAD = "/admin/mcp_gateway/tool/import-openapi/"
PATHS = [
    *("/token", "/register", "/revoke", "/authorize", "/oauth/callback", "/healthz", "/nowhere"),
    *("/connect", "/connect/sign-in", "/admin/login/", "/.well-known/oauth-authorization-server"),
    UPLOAD,
]
FOR_PROGRAMS = PATHS[:3]


def limit_of(path: str) -> int:
    return MAX_UPLOAD_BYTES if path == UPLOAD else settings.DATA_UPLOAD_MAX_MEMORY_SIZE


@pytest.fixture
def three_seconds(settings) -> None:
    """For a body that nobody refuses: nobody sends the rest of it either."""
    settings.SLOW_CLIENT_TIMEOUT = timedelta(seconds=3)


@pytest.mark.usefixtures("three_seconds")
@pytest.mark.parametrize("path", PATHS)
def test_a_declared_body_that_is_too_large_is_refused_unread(server, path):
    size = limit_of(path) + 1
    with raw_client(server) as raw:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n"
        raw.send(head.encode())
        assert raw.status() == 413


@pytest.mark.usefixtures("three_seconds")
@pytest.mark.parametrize("path", PATHS)
def test_a_body_without_a_declared_size_has_an_end(server, path):
    size = limit_of(path) + 1
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw_client(server) as raw:
        raw.send(f"{head}{size:x}\r\n".encode() + b"x" * size)
        assert raw.status() == 413


@pytest.mark.parametrize("path", FOR_PROGRAMS)
def test_programs_are_told_in_json(http, path):
    answer = http.post(path, content=b"x" * 100_000)
    assert answer.status_code == 413
    assert answer.json() == {
        "error": "invalid_request",
        "error_description": "Send at most 65536 bytes.",
    }
    assert answer.headers["cache-control"] == "no-store"


def test_people_are_told_in_words(http):
    assert http.post("/connect/sign-in", content=b"x" * 100_000).text == "Send at most 65536 bytes."


@pytest.mark.requirement("RFC 9110 §15.5.16")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "identity, deflate", "none"])
def test_a_compressed_body_is_refused(http, path, coding):
    answer = http.post(path, content=gzip.compress(b"{}"), headers={"Content-Encoding": coding})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"
    assert "without Content-Encoding" in answer.text


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_a_body_that_says_it_is_as_it_is_is_taken(http, coding):
    body = {"redirect_uris": ["http://127.0.0.1:1/"], "token_endpoint_auth_method": "none"}
    answer = http.post("/register", json=body, headers={"Content-Encoding": coding})
    assert answer.status_code == 201


@pytest.mark.parametrize("path", PATHS)
def test_headers_that_are_too_large_are_refused(http, settings, path):
    headers = {"X-Padding": "x" * settings.MCP_MAX_HEADER_BYTES}
    assert http.get(path, headers=headers).status_code == 431


def test_so_many_files_are_uploaded_at_once_and_forms_go_on(server, http):
    """Nobody is asked who they are before a file is there."""
    with ExitStack() as stack:
        for _ in range(UPLOADS_AT_ONCE):
            stack.enter_context(raw_client(server)).send(start_of_upload())
        wait_until(lambda: status_of_upload(server) == 503)
        assert http.post("/admin/login/", data={"username": "x"}).status_code == 403
    wait_until(lambda: status_of_upload(server) == 403)  # without the form's token


def start_of_upload() -> bytes:
    lines = (f"POST {UPLOAD} HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 100000")
    return "".join(f"{line}\r\n" for line in (*lines, "Connection: close")).encode() + b"\r\nx"


def status_of_upload(server: str) -> int:
    with raw_client(server) as raw:
        raw.send(start_of_upload())
        if not raw.is_closed_within(0.1):
            raw.send(b"x" * 99_999)
        return raw.status()


@pytest.fixture
def written_log() -> Iterator[io.StringIO]:
    """What is written where operators read it."""
    [handler] = [each for each in logging.getLogger().handlers if each.name == "stderr"]
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(written := io.StringIO())
    yield written
    handler.setStream(before)


def test_what_anybody_can_send_is_no_error_in_the_log(http, written_log):
    """Django logs each with a traceback: a foreign host, more fields than a form may have."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert http.get("/connect", headers={"Host": "evil.test"}).status_code == 400
    http.get("/connect")  # for the cookie: a form is read to compare its token
    assert http.post("/connect/sign-in", content="a&" * 2000, headers=form).status_code == 400
    log = written_log.getvalue()
    for name in ("DisallowedHost", "TooManyFieldsSent"):
        assert f'"level": "WARNING", "logger": "django.security.{name}"' in log
    assert "ERROR" not in log
    assert "Traceback" not in log
