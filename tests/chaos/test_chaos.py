"""Three workers under steady load, and everything that goes wrong in operation. `script/chaos` does
the same for longer."""

import sys
from pathlib import Path

import pytest

from tests.chaos.tally import Outcome
from tests.chaos.trouble import Result, broken_promises, short_run, table
from tests.requirements import require_postgresql

pytestmark = [pytest.mark.postgresql, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    require_postgresql()
    folder: Path = tmp_path_factory.mktemp("chaos")
    results = short_run(folder / "server.log")
    sys.stdout.write(table(results))  # shown when a test fails
    return results


def test_no_promise_is_broken(results: list[Result]):
    """No write lost or doubled, no sign-in lost, nobody signed out, no failure without a word."""
    assert [promise for result in results for promise in broken_promises(result)] == []


def test_it_was_put_to_the_test(results: list[Result]):
    for result in results:
        assert result.tally.written
        assert result.tally.sign_ins["succeeded"]


def test_an_outage_of_propelauth_signs_out_only_whose_keys_must_be_refreshed_in_it(
    results: list[Result],
):
    keys, opaque = (result for result in results if result.is_outage)
    assert (keys.kind, opaque.kind) == ("api_key", "opaque")
    assert all(reason.endswith("503 from /token") for reason in keys.signed_out)
    assert opaque.signed_out == set()


def test_calls_go_on_while_workers_and_the_database_restart(results: list[Result]):
    """A write that finds no database to be recorded in isn't made, and says so."""
    for result in results:
        if not result.is_outage:
            assert result.tally.calls[Outcome.OK] > 9 * result.tally.calls[Outcome.RETRYABLE]
