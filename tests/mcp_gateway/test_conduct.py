"""One connection runs wild: it waits, then is paused, and nobody else notices."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.db import connection
from hypothesis import given, strategies

from mcp_gateway.conduct import pauses
from mcp_gateway.conduct.models import Pause, Use
from mcp_gateway.conduct.rules import (
    PATIENCE,
    Conduct,
    Elsewhere,
    Limits,
    MayCall,
    MustStop,
    MustWait,
)
from oauth_bridge.models import Application, User
from sandbox import fixtures
from tests.connect.test_connections import press
from tests.e2e.deployment import serving
from tests.mcp_gateway.json_rpc import McpClient
from tests.mcp_gateway.test_tools import wait_until
from tests.robot import PLAIN_HTTP, form_to, forms_of, signed_in
from tests.settings import free_port
from tests.stand_ins import wait_until_answers

RUN = "wiv_start_execution"
READ = "wiv_list_workflows"


@pytest.fixture
def limits(settings, monkeypatch):
    """Of this test; pauses are read anew at each call, so that no test waits for a second."""
    monkeypatch.setattr(pauses, "LIFETIME", 0.0)
    settings.CALLS_PER_MINUTE = settings.WRITES_PER_MINUTE = settings.REPEATED_CALLS = 0
    return settings


@pytest.fixture
def connected(new_client, browser, http):
    """`connected(name)`: an assistant of Ana's that is signed in."""

    def connect(name: str) -> McpClient:
        client = new_client()
        client.register(client_name=name)
        return McpClient(http, client.sign_in(browser())["access_token"])

    return connect


def run(mcp: McpClient, number: int = 0) -> dict[str, Any]:
    event = {"number": number}
    return mcp.call(RUN, workflow_id=fixtures.MONTHLY_REPORT, trigger_event=event)


def text_of(result: dict[str, Any]) -> str:
    text: str = result["content"][0]["text"]
    return text


# Over HTTP ------------------------------------------------------------------------------------


def test_too_many_calls_have_to_wait(mcp, limits):
    limits.CALLS_PER_MINUTE = 3
    for number in range(3):
        assert not mcp.call(READ, limit=number + 1).get("isError")
    said = mcp.refused(READ, limit=9)
    assert "3 a minute are allowed" in said
    assert "Wait " in said


def test_arguments_that_are_too_large_go_no_further(mcp, settings, sandbox):
    settings.MAX_ARGUMENT_BYTES = 1000
    for event in ({"text": "x" * 1000}, {"numbers": [*range(400)]}, {"text": "ü" * 500}):
        said = mcp.refused(RUN, workflow_id=fixtures.MONTHLY_REPORT, trigger_event=event)
        assert "1000 are the most that is taken" in said
    assert sandbox.requests("wiv") == []
    event = {"text": "x" * 800}
    answer = mcp.call(RUN, workflow_id=fixtures.MONTHLY_REPORT, trigger_event=event)
    assert not answer.get("isError")


def test_too_many_writes_have_to_wait_and_reading_goes_on(mcp, limits, sandbox):
    limits.WRITES_PER_MINUTE = 2
    assert not run(mcp, 1).get("isError")
    assert not run(mcp, 2).get("isError")
    sandbox.forget_requests()
    assert "calls that change something" in text_of(run(mcp, 3))
    assert sandbox.requests("wiv") == []
    assert not mcp.call(READ).get("isError")


def test_the_same_write_again_and_again_pauses_that_connection_alone(connected, limits, sandbox):
    limits.REPEATED_CALLS = 2
    wild, tame = connected("Wild"), connected("Tame")
    run(wild)
    run(wild)
    sandbox.forget_requests()
    said = text_of(run(wild))
    assert "Stop calling tools" in said
    assert "3 times within five minutes with the same arguments" in said
    assert "/connect" in said
    assert "Stop calling tools" in text_of(wild.call(READ))
    assert sandbox.requests("wiv") == []
    assert not run(tame).get("isError")
    pause = Pause.objects.get()
    assert (pause.client_name, pause.subject) == ("Wild", fixtures.ANA)


def test_a_connection_that_doesnt_wait_is_paused(connected, limits):
    limits.CALLS_PER_MINUTE = 1
    mcp = connected("Wild")
    said = [text_of(mcp.call(READ, limit=number + 1)) for number in range(PATIENCE + 2)]
    assert "Wait " in said[1]
    assert "told 10 times to wait" in said[-1]
    assert Pause.objects.in_force().count() == 1


def test_looking_at_a_job_every_few_seconds_is_allowed_more(mcp, limits):
    limits.REPEATED_CALLS = 2
    results = [mcp.call(READ, limit=1) for _ in range(11)]
    assert not any(result.get("isError") for result in results[:10])
    assert "Stop calling tools" in text_of(results[10])


def test_its_owner_lets_it_go_on(connected, limits, browser, server):
    limits.REPEATED_CALLS = 1
    mcp = connected("Wild")
    run(mcp)
    run(mcp)
    robot = browser()
    page = signed_in(robot, server)
    assert "Wild</bdi> is paused" in page.text
    assert "with the same arguments" in page.text
    press(robot, page, "/connect/connections/resume", "pause")
    assert "is paused" not in robot.get(f"{server}/connect").text
    assert not run(mcp).get("isError")
    pause = Pause.objects.get()
    assert pause.ended_by == fixtures.ANA_EMAIL


def test_a_key_of_ones_own_is_paused_by_itself(make_key, http, limits):
    limits.REPEATED_CALLS = 1
    wild, tame = McpClient(http, make_key()), McpClient(http, make_key())
    run(wild)
    assert "Stop" in text_of(run(wild))
    assert not run(tame).get("isError")


def test_nobody_resumes_somebody_elses(connected, limits, browser, server):
    limits.REPEATED_CALLS = 1
    mcp = connected("Wild")
    run(mcp)
    run(mcp)
    robot = browser(fixtures.MAX_EMAIL, fixtures.NORTHWIND)
    page = signed_in(robot, server)
    assert "is paused" not in page.text
    form = form_to(page, "/connect/attempts")
    form.action = f"{server}/connect/connections/resume"
    for forged in (str(Pause.objects.get().pk), "x", "", "9" * 40):
        assert robot.submit(form, pause=forged).status_code == 302
    assert Pause.objects.in_force().count() == 1


def test_an_admin_lets_it_go_on(connected, limits, browser, server):
    limits.REPEATED_CALLS = 1
    mcp = connected("Wild")
    run(mcp)
    run(mcp)
    User.objects.create_superuser("admin", "admin@wiv.test", "correct horse")
    robot = browser()
    [form] = forms_of(robot.get(f"{server}/admin/login/"))
    robot.submit(form, username="admin", password="correct horse")
    page = robot.get(f"{server}/admin/mcp_gateway/pause/")
    form = next(form for form in forms_of(page) if "_selected_action" in form.fields)
    form.action = str(page.url)
    robot.submit(form, action="resume", _selected_action=[str(Pause.objects.get().pk)])
    assert Pause.objects.get().ended_by == "admin"
    assert not run(mcp).get("isError")


def test_another_worker_hears_of_it_within_a_second(connected, limits, monkeypatch):
    """As another would: this one is told nothing, and reads it from the database."""
    monkeypatch.setattr(pauses, "LIFETIME", 1.0)
    mcp = connected("Wild")
    run(mcp)
    [application] = Application.objects.all()
    Pause.objects.create(
        connection=f"{fixtures.ANA} {fixtures.ACME} {application.client_id}",
        subject=fixtures.ANA,
        organization_id=fixtures.ACME,
        client_id=application.client_id,
        reason="somebody said so",
    )
    wait_until(lambda: "somebody said so" in text_of(run(mcp)))


# The rules ------------------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_later_it_may_go_on():
    clock = Clock()
    conduct = Conduct(lambda: Limits(2, 0, 0), clock)
    assert conduct.judge("a", "t", {}, writes=False) == MayCall()
    clock.now += 20
    assert conduct.judge("a", "t", {}, writes=False) == MayCall()
    assert conduct.judge("a", "t", {}, writes=False) == MustWait(40, 2, "calls")
    assert conduct.judge("b", "t", {}, writes=False) == MayCall()
    clock.now += 40
    assert conduct.judge("a", "t", {}, writes=False) == MayCall()


def test_repetitions_are_forgotten_after_five_minutes():
    clock = Clock()
    conduct = Conduct(lambda: Limits(0, 0, 2), clock)
    for _ in range(20):
        assert conduct.judge("a", "t", {"x": 1}, writes=True) == MayCall()
        clock.now += 151


def test_arguments_in_another_order_are_the_same():
    conduct = Conduct(lambda: Limits(0, 0, 1), Clock())
    assert conduct.judge("a", "t", {"x": 1, "y": 2}, writes=True) == MayCall()
    assert isinstance(conduct.judge("a", "t", {"y": 2, "x": 1}, writes=True), MustStop)


@given(
    calls=strategies.lists(
        strategies.tuples(strategies.floats(0, 30), strategies.integers(0, 3)), max_size=60
    )
)
def test_whatever_it_does_no_minute_has_more_calls_than_allowed(calls):
    clock = Clock()
    conduct = Conduct(lambda: Limits(5, 0, 0), clock)
    made: list[float] = []
    for pause, tool in calls:
        clock.now += pause
        if conduct.judge("a", f"t{tool}", {}, writes=False) == MayCall():
            made.append(clock.now)
        assert sum(moment > clock.now - 60 for moment in made) <= 5


# Several workers ------------------------------------------------------------------------------


@pytest.fixture
def another_worker(server: str, tmp_path: Path) -> Iterator[httpx2.Client]:
    """A second process of the product on the same database, with limits as small."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite is for one process")
    url = httpx2.URL(os.environ["DATABASE_URL"])
    own = {
        "DATABASE_URL": str(url.copy_with(path=f"/{connection.settings_dict['NAME']}")),
        "CALLS_PER_MINUTE": "0",
        "WRITES_PER_MINUTE": "4",
        "REPEATED_CALLS": "3",
        "DJANGO_SETTINGS_MODULE": "wivmcp.settings",
    }
    port = free_port()
    with (
        (tmp_path / "worker.log").open("wb") as output,
        serving(port, 1, {**os.environ, **own}, output) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", verify=PLAIN_HTTP) as worker,
    ):
        wait_until_answers(f"http://127.0.0.1:{port}/healthz", process)
        yield worker


def test_another_worker_is_no_way_round_a_limit(mcp, another_worker, limits):
    limits.WRITES_PER_MINUTE = 4
    there = McpClient(another_worker, mcp.credential)
    for number in range(4):
        assert not run(mcp, number).get("isError")
    numbers = count(100)
    wait_until(lambda: "calls that change something" in text_of(run(there, next(numbers))))


def test_repetitions_in_several_workers_are_counted_together(mcp, another_worker, limits):
    limits.REPEATED_CALLS = 3
    there = McpClient(another_worker, mcp.credential)
    for worker in (mcp, there, mcp):
        assert not run(worker).get("isError")
    wait_until(lambda: Use.objects.count() == 2)
    said = [text_of(run(worker)) for worker in (there, mcp, there)]
    assert "with the same arguments" in said[-1]
    assert Pause.objects.count() == 1


def test_whoever_may_go_on_begins_anew_in_all_workers(mcp, another_worker, limits):
    limits.REPEATED_CALLS = 3
    there = McpClient(another_worker, mcp.credential)
    wait_until(lambda: "Stop calling tools" in text_of(run(there)))
    wait_until(lambda: "Stop calling tools" in text_of(run(mcp)))
    Pause.objects.in_force().end("somebody")
    wait_until(lambda: not run(mcp).get("isError"))
    wait_until(lambda: not Use.objects.filter(count__gt=1).exists())


def test_calls_elsewhere_count_as_long_as_those_here():
    clock = Clock()
    conduct = Conduct(lambda: Limits(3, 0, 0), clock)
    conduct.learn({"a": Elsewhere(calls=[(clock.now - 50, 2)])})
    assert conduct.judge("a", "t", {}, writes=False) == MayCall()
    assert conduct.judge("a", "t", {}, writes=False) == MustWait(10, 3, "calls")
    assert conduct.judge("b", "t", {}, writes=False) == MayCall()
    clock.now += 10
    assert conduct.judge("a", "t", {}, writes=False) == MayCall()


def test_whoever_is_alone_keeps_no_list_for_others():
    conduct = Conduct(lambda: Limits(0, 0, 0), Clock())
    conduct.judge("a", "t", {}, writes=False)
    assert not conduct.take_untold()
