"""Messages for a stream of another worker, on PostgreSQL. The other worker is this test.

tests/e2e/test_streams.py has whole workers.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from itertools import count, takewhile
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone

from mcp_gateway.streams import rows
from mcp_gateway.streams.models import OpenStream, StreamMessage, StreamWorker
from mcp_gateway.streams.posted import PostedMessage
from mcp_gateway.streams.rows import Rows, TooManyWaiting
from mcp_gateway.streams.stream import Owner, stream_id_of
from oauth_bridge.credentials import Secret, returning_connection
from oauth_bridge.models import Denial
from sandbox import fixtures
from tests.mcp_gateway.event_stream import EventStream
from tests.mcp_gateway.test_tools import wait_until

OWNER = Owner(fixtures.ANA, fixtures.ACME, "own-credential")


@pytest.fixture(autouse=True)
def _on_postgresql(server):
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite there is one worker")


@pytest.fixture
def another_worker() -> Rows:
    return Rows(uuid4(), list)


def id_of(stream: EventStream) -> UUID:
    return stream_id_of(UUID(stream.messages.path.partition("session_id=")[2]))


def ping(number: int, credential: str) -> PostedMessage:
    body = {"jsonrpc": "2.0", "id": number, "method": "ping"}
    return PostedMessage("/messages/", (), None, Secret(credential), json.dumps(body).encode())


@pytest.fixture
def post(another_worker: Rows) -> Callable[..., bool]:
    """`post(stream, number)`: a ping, by way of the other worker."""

    def post(stream: EventStream, number: int, owner: Owner = OWNER, key: str = "") -> bool:
        message = ping(number, key or stream.messages.credential)
        send = partial(another_worker.post, id_of(stream), owner, message.sealed)
        return returning_connection(send)

    return post


def test_what_came_elsewhere_comes_first_and_in_order(open_stream, api_key, post):
    with open_stream(api_key) as stream:
        for begin in range(0, 100, 20):
            for number in range(begin, begin + 19):
                assert post(stream, number)
            here = {"jsonrpc": "2.0", "id": begin + 19, "method": "ping"}
            assert stream.messages.post(json=here).status_code == 202
        assert [stream.next_message()["id"] for _ in range(100)] == list(range(100))
        assert not StreamMessage.objects.exists()


def test_a_message_that_nobody_was_notified_of_is_found(open_stream, api_key):
    with open_stream(api_key) as stream:
        for number in (1, 2):
            sealed = ping(number, api_key).sealed()
            StreamMessage.objects.create(stream_id=id_of(stream), sealed=sealed)
        assert [stream.next_message()["id"] for _ in range(2)] == [1, 2]


def test_a_stream_of_somebody_else_is_as_good_as_none(open_stream, api_key, post):
    with open_stream(api_key) as stream:
        for other in (
            Owner(fixtures.MAX, fixtures.ACME, "own-credential"),
            Owner(fixtures.ANA, fixtures.MSP, "own-credential"),
            Owner(fixtures.ANA, fixtures.ACME, "another-client"),
        ):
            assert not post(stream, 1, other)
        assert stream.request("ping")["id"] == 1


def test_what_another_worker_says_of_its_sender_isnt_taken_on_trust(
    open_stream, api_key, make_key, post
):
    with open_stream(api_key) as stream:
        assert post(stream, 1, key=make_key(fixtures.MAX, fixtures.MSP))
        assert post(stream, 2)
        assert stream.next_message()["id"] == 2


def test_a_message_whose_credential_ended_on_the_way_is_answered_with_an_error(
    open_stream, api_key, make_key, post
):
    other_key = make_key()
    with open_stream(api_key) as stream:
        Denial.objects.create(kind="api_key", value=Secret(other_key).checksum())
        assert post(stream, 1, key=other_key)
        answer = stream.next_message()
        assert answer["id"] == 1
        assert "was revoked" in answer["error"]["message"]
        assert post(stream, 2)
        assert stream.next_message()["result"] == {}


def test_a_message_that_cant_be_read_costs_itself_alone(open_stream, api_key, post, settings):
    ours = settings.ENCRYPTION_KEYS
    with open_stream(api_key) as stream:
        message = ping(1, api_key)
        settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        foreign = message.sealed()
        settings.ENCRYPTION_KEYS = ours
        StreamMessage.objects.create(stream_id=id_of(stream), sealed=foreign)
        assert post(stream, 2)
        assert stream.next_message()["id"] == 2


def test_messages_dont_pile_up_at_a_stream_that_takes_none(another_worker):
    worker = StreamWorker.objects.create(id=uuid4(), seen_at=timezone.now())
    stream = OpenStream.objects.create(
        id=uuid4(), worker=worker, subject="somebody", organization_id="o", client_id="c"
    )
    owner = Owner("somebody", "o", "c")
    for _ in range(rows.WAITING_MESSAGES):
        assert another_worker.post(stream.id, owner, lambda: "sealed")
    with pytest.raises(TooManyWaiting):
        another_worker.post(stream.id, owner, lambda: "sealed")


def test_what_is_accepted_while_a_stream_ends_is_in_its_last_look(another_worker):
    """Else a client would wait in vain for the answer to a POST that got 202."""
    worker = StreamWorker.objects.create(id=uuid4(), seen_at=timezone.now())
    owner = Owner("somebody", "o", "c")
    for _ in range(5):
        stream = OpenStream.objects.create(id=uuid4(), worker=worker, **asdict(owner))

        def post_until_it_ended(poster: int, stream_id: UUID = stream.id) -> list[str]:
            numbers = (f"{poster} {number}" for number in count())
            post = partial(another_worker.post, stream_id, owner)
            return list(takewhile(lambda number: post(lambda: number), numbers))

        with ThreadPoolExecutor(4) as pool:
            posters = [
                pool.submit(returning_connection, partial(post_until_it_ended, poster))
                for poster in range(4)
            ]
            wait_until(lambda: StreamMessage.objects.count() > 10)
            taken = another_worker.take(stream.id) + another_worker.take_last(stream.id)
            accepted = [message for poster in posters for message in poster.result()]
        assert sorted(taken) == sorted(accepted)


def test_a_worker_that_others_took_for_lost_is_back_by_itself(open_stream, api_key, post):
    with open_stream(api_key) as stream:
        StreamWorker.objects.all().delete()
        assert not post(stream, 1)
        wait_until(lambda: post(stream, 2), seconds=10)
        assert stream.next_message()["id"] == 2
        with open_stream(api_key) as second:  # also when one is opened before it has noticed
            StreamWorker.objects.all().delete()
            with open_stream(api_key) as third:
                assert post(second, 1)
                assert post(third, 1)
                assert second.next_message()["id"] == third.next_message()["id"] == 1


def call_by_way_of_another_worker(stream: EventStream, request_id: str) -> PostedMessage:
    params = {"name": "wiv_list_workflows", "arguments": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    credential = Secret(stream.messages.credential)
    return PostedMessage(
        "/messages/", (), None, credential, json.dumps(body).encode(), request_id=request_id
    )


def test_a_call_keeps_the_id_of_its_post_on_its_way(open_stream, api_key, sandbox, another_worker):
    posted = uuid4().hex
    with open_stream(api_key) as stream:
        message = call_by_way_of_another_worker(stream, posted)
        send = partial(another_worker.post, id_of(stream), OWNER, message.sealed)
        assert returning_connection(send)
        assert stream.next_message()["id"] == 1
    [sent] = sandbox.requests("wiv")
    assert sent["headers"]["x-request-id"] == posted
