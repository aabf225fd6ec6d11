"""The servers of benchmarks/peers do the work that they are measured at, and it is told truly."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmarks.peers import chart, load, report, subjects
from benchmarks.peers.results import Results, Sample, verdicts
from benchmarks.peers.subjects import FLOOR, SUBJECTS, Site
from benchmarks.peers.upstream import workflows
from benchmarks.peers.work import CALL, WORKS, Work
from tests.requirements import missing

GATEWAYS = ["gateway, SQLite, api_key", "gateway, PostgreSQL, opaque"]
SAMPLE = Sample(cpu_ms=1.0, rps=900.0, p50_ms=2.0, p99_ms=4.0, bytes=3000, memory_mb=80.0, errors=0)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("peers")
    with subjects.site(folder, os.environ.get("POSTGRESQL_URL")) as site:
        yield site


def start(name: str, site: Site):
    if lacking := subjects.lacking(name, site):
        missing(lacking)
    return SUBJECTS[name](site)


@pytest.mark.parametrize("name", [*GATEWAYS, *(n for n in SUBJECTS if "gateway" not in n)])
def test_a_server_does_the_work_for_the_right_token_only(site, name):
    with start(name, site) as server:
        for work in WORKS:
            served = site.served()
            assert asyncio.run(load.ask_once(server.url, "wrong", work)).status == 401
            answer = asyncio.run(load.ask_once(server.url, server.token, work))
            work.check(answer.status, answer.body, workflows())
            assert site.served() - served == (1 if work.method == CALL else 0)


def test_an_answer_that_is_not_the_expected_one_counts_as_an_error(site):
    with start(FLOOR, site) as server:
        answer = asyncio.run(load.ask_once(server.url, server.token, WORKS[0]))
        for expected, are_errors in ((answer.body, False), (answer.body + b" ", True)):
            done = asyncio.run(load.run(server.url, server.token, WORKS[0], expected, 0.1, 3))
            assert len(done.took) >= 3
            assert done.errors == (len(done.took) if are_errors else 0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"Internal Server Error"),
        (200, b'{"error": {"code": -32603, "message": "no"}}'),
        (200, b'{"result": {"isError": true, "content": [{"type": "text", "text": "{}"}]}}'),
        (200, b'{"result": {"content": [{"type": "text", "text": "{}"}]}}'),
    ],
)
def test_an_answer_without_what_the_upstream_said_is_not_right(status, body):
    with pytest.raises(AssertionError):
        Work(CALL, "2026-07-28").check(status, body, workflows())


def results(**cpu_ms: list[float]) -> Results:
    made = Results()
    for name, values in cpu_ms.items():
        for work in WORKS:
            for value in values:
                made.add(name.replace("_", " "), work, replace(SAMPLE, cpu_ms=value))
    return made


def gateway_and(other: Results, *cpu_ms: float) -> Results:
    for work in WORKS:
        for value in cpu_ms:
            other.add(GATEWAYS[0], work, replace(SAMPLE, cpu_ms=value))
    return other


def test_the_gateway_is_compared_round_by_round():
    [call, *_] = verdicts(gateway_and(results(single_file=[4.0, 40.0, 8.0]), 0.8, 8.0, 4.0))
    assert (call.gateway, call.ratio, call.is_met) == (GATEWAYS[0], 0.2, True)
    [call, *_] = verdicts(gateway_and(results(single_file=[4.0]), 1.2))
    assert not call.is_met


def test_tables_and_chart_show_every_server_at_every_work():
    measured = gateway_and(results(single_file=[4.0, 6.0], floor=[0.2, 0.4]), 1.0, 2.0)
    table = report.markdown(measured, verdicts(measured))
    assert "| single file | 5.00 | 4.00 | 6.00 | 900 | 2.0 | 4.0 | 3,000 | 80 | 0 |" in table
    drawn = ElementTree.fromstring(chart.svg(measured, ["a <machine>"]))
    bars = [each for each in drawn.iter() if each.get("class") in ("gateway", "peer")]
    assert len(bars) == len(WORKS) * 3
    texts = [each.text for each in drawn.iter() if each.tag.endswith("text")]
    assert {"single file", "5.00", "a <machine>", *map(str, WORKS)} <= set(texts)
