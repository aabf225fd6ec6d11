"""WivClient against upstreams that treat connections badly: nothing is sent twice by itself, and
nothing stays behind when a call ends."""

import gzip
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import anyio
import anyio.to_thread
import pytest

from mcp_gateway.errors import (
    BulkheadFull,
    WivAddressUnusable,
    WivAnswerTooLarge,
    WivConnectionLost,
    WivError,
    WivUnreachable,
)
from mcp_gateway.http_rule import WivRequest
from mcp_gateway.upstream_http import HttpClient
from mcp_gateway.wiv import Terms, Trail, WivClient
from oauth_bridge.credentials import Secret
from tests.mcp_gateway.test_tools import wait_until
from tests.raw_upstream import ANSWER, RawUpstream, raw_upstream, reset

pytestmark = pytest.mark.anyio

API_KEY = Secret("0123456789abcdef" * 6)
TEN_SECONDS = timedelta(seconds=10)
ONCE = Terms("/run/{number}", TEN_SECONDS)
REPEATABLE = Terms("/run/{number}", TEN_SECONDS, is_repeatable=True)
ELSEWHERE = Terms("/other", TEN_SECONDS)


def client(url: str, calls_per_route: int = 20) -> WivClient:
    http = HttpClient(user_agent="wivmcp/test", max_body_bytes=100_000)
    return WivClient(url, http, calls_per_route=calls_per_route)


async def run(wiv: WivClient, number: int, terms: Terms = ONCE) -> Trail:
    """The trail of a call that may fail."""
    trail = Trail()
    request = WivRequest("POST", f"/run/{number}", {"number": number}, has_body=True)
    await wiv.send(request, API_KEY, terms, trail)
    return trail


# What upstreams do to a connection -------------------------------------------------------------


def close_when_idle(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
    upstream.read_request(connection)
    connection.sendall(ANSWER)


def close_at_the_second_request(
    upstream: RawUpstream, connection: socket.socket, number: int
) -> None:
    """As if the server's idle timeout and the request had met on the way."""
    close_when_idle(upstream, connection, number)
    upstream.read_request(connection)


def reset_at_the_second_request(
    upstream: RawUpstream, connection: socket.socket, number: int
) -> None:
    close_at_the_second_request(upstream, connection, number)
    reset(connection)


def close_after_reading(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
    upstream.read_request(connection)


def reset_after_reading(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
    upstream.read_request(connection)
    reset(connection)


def reset_while_reading(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
    upstream.received += connection.recv(10)
    reset(connection)


def stop_half_way(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
    upstream.read_request(connection)
    connection.sendall(ANSWER.replace(b"Length: 2", b"Length: 20"))


BAD_MANNERS = [
    close_when_idle,
    close_at_the_second_request,
    reset_at_the_second_request,
    close_after_reading,
    reset_after_reading,
    reset_while_reading,
    stop_half_way,
]


@pytest.mark.requirement("RFC 9110 §9.2.2")
@pytest.mark.parametrize("behaviour", BAD_MANNERS, ids=lambda each: each.__name__)
async def test_what_may_be_sent_once_arrives_once(behaviour):
    with raw_upstream(behaviour) as upstream:
        async with client(upstream.url) as wiv:
            errors = [await loss(wiv, number) for number in range(4)]
            for number in range(4):
                assert upstream.times(f"POST /run/{number} ") <= 1
                assert errors[number] or upstream.times(f"POST /run/{number} ") == 1
            # An idle connection's end may cross the next request, or be seen before it.
            assert any(errors) or behaviour is close_when_idle
            assert all(error.may_have_happened for error in errors if error)


async def loss(wiv: WivClient, number: int) -> WivConnectionLost | None:
    try:
        await run(wiv, number)
    except WivConnectionLost as error:
        return error
    return None


def fail_at_first(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
    while request := upstream.read_request(connection):
        if number == 0:
            return
        assert b"POST" in request
        connection.sendall(ANSWER)


async def test_what_may_be_repeated_is_sent_again_on_another_connection():
    with raw_upstream(fail_at_first) as upstream:
        async with client(upstream.url) as wiv:
            assert (await run(wiv, 1, REPEATABLE)).attempts == 2
        assert upstream.times("POST /run/1 ") == upstream.connections == 2


async def attempts_of(url: str, terms: Terms, kind: type[WivError]) -> int:
    trail = Trail()
    async with client(url) as wiv:
        with pytest.raises(kind):
            await wiv.send(WivRequest("GET", "/spaces"), API_KEY, terms, trail)
    return trail.attempts


async def test_a_wiv_that_is_not_there_is_tried_again_where_that_is_allowed():
    assert await attempts_of("http://127.0.0.1:1", REPEATABLE, WivUnreachable) == 3
    assert await attempts_of("http://127.0.0.1:1", ONCE, WivUnreachable) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://127.0.0.1:http"])
async def test_an_address_that_is_none_is_tried_once(url):
    assert await attempts_of(url, REPEATABLE, WivAddressUnusable) == 1


# Places ----------------------------------------------------------------------------------------


def hang(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
    """Until the client goes; other routes are answered."""
    while request := upstream.read_request(connection):
        if b"/run/" not in request:
            connection.sendall(ANSWER)


async def until(condition: Callable[[], bool]) -> None:
    await anyio.to_thread.run_sync(wait_until, condition)


async def test_a_call_that_is_cancelled_gives_its_place_back():
    with raw_upstream(hang) as upstream:
        async with client(upstream.url, calls_per_route=1) as wiv:
            for number in range(8):
                async with anyio.create_task_group() as group:
                    group.start_soon(run, wiv, number)
                    await until(partial(has_come, upstream, number))
                    group.cancel_scope.cancel()


def has_come(upstream: RawUpstream, number: int) -> bool:
    return upstream.times(f"POST /run/{number} ") == 1


async def test_a_route_without_a_place_says_so_and_others_go_on(monkeypatch):
    monkeypatch.setattr("mcp_gateway.wiv.PATIENCE", 0.2)
    with raw_upstream(hang) as upstream:
        async with client(upstream.url, calls_per_route=2) as wiv, anyio.create_task_group() as g:
            for number in range(2):
                g.start_soon(run, wiv, number)
            await until(lambda: upstream.times("POST /run/") == 2)
            with pytest.raises(BulkheadFull, match="bulkhead") as error:
                await run(wiv, 3)
            assert not error.value.may_have_happened
            await wiv.send(WivRequest("GET", "/other"), API_KEY, ELSEWHERE)
            assert upstream.times("POST /run/") == 2
            g.cancel_scope.cancel()


async def test_a_place_that_gets_free_in_time_is_taken():
    def answer_late(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
        while upstream.read_request(connection):
            time.sleep(0.2)
            connection.sendall(ANSWER)

    with raw_upstream(answer_late) as upstream:
        async with client(upstream.url, calls_per_route=1) as wiv:
            async with anyio.create_task_group() as group:
                for number in range(4):
                    group.start_soon(run, wiv, number)
            assert upstream.times("POST /run/") == 4


# Long answers ----------------------------------------------------------------------------------


def never_end(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
    upstream.read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        upstream.sent_bytes += 4096


async def test_an_answer_without_end_is_cut_off_at_the_limit():
    """The limit is 100 kB; what the sockets' buffers hold comes on top."""
    with raw_upstream(never_end) as upstream:
        async with client(upstream.url) as wiv:
            with anyio.fail_after(5), pytest.raises(WivAnswerTooLarge):
                await run(wiv, 1, REPEATABLE)
        assert upstream.sent_bytes < 20_000_000
        assert upstream.times("POST /run/") == 1


BOMB = gzip.compress(b"x" * 200_000_000)


def unpack(upstream: RawUpstream, connection: socket.socket, number: int) -> None:
    upstream.read_request(connection)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n"
    connection.sendall(head.encode() + BOMB)


async def test_an_answer_is_unpacked_no_further_than_the_limit():
    with raw_upstream(unpack) as upstream:
        async with client(upstream.url) as wiv:
            started = time.process_time()
            with pytest.raises(WivAnswerTooLarge):
                await run(wiv, 1)
            assert time.process_time() - started < 0.1  # all of it takes some 0.5 s
