"""The index of attacks against the tests, the patches and the Threats table of SECURITY.md."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown import read, tables_with
from tests.patches import (
    MUTATIONS,
    check_applying,
    exists,
    named_in,
    parts_changed,
    patches,
    read_index,
    verb_of,
    written_in,
)

INDEX = read_index("tests/attacks/attacks.toml")
PATCHES = {str(entry.get("mutation", name)) for name, entry in INDEX.items()}


@pytest.mark.parametrize("name", INDEX)
def test_an_attack_says_what_it_is_and_has_tests_that_exist(name):
    entry = INDEX[name]
    assert set(entry) - {"mutation"} == {"attack", "reason", "tests"}
    assert entry["attack"]
    assert entry["reason"]
    assert entry["tests"]
    assert [test for test in entry["tests"] if not exists(test)] == []


def test_every_attack_has_its_patch_and_every_patch_an_attack():
    """Those of the toolkit's defaults are tests/toolkit's."""
    assert {path.suffix for path in MUTATIONS.iterdir()} == {".patch"}
    assert {patch for patch in patches() if not patch.startswith("toolkit-")} == PATCHES


@pytest.mark.parametrize("name", sorted(PATCHES))
def test_a_patch_says_what_it_removes_and_applies(name):
    assert verb_of(name) == "Removes"
    product = {"wivmcp", "oauth_bridge", "mcp_gateway", "connect", "telemetry", "templates"}
    assert parts_changed(name) <= product
    checked = check_applying(name)
    assert checked.returncode == 0, checked.stderr


def test_every_attack_test_of_this_folder_is_in_the_index():
    here = written_in(Path(__file__).parent, but=("test_index.py", "test_honest_flows.py"))
    assert here - named_in(INDEX) == NOT_ATTACKS


# What an attack's tests stand on.
NOT_ATTACKS = {
    "tests/attacks/test_client_documents.py::test_a_document_on_a_public_host_is_fetched",
    "tests/attacks/test_redirects.py::test_another_spelling_of_the_host_arrives_at_the_same_host",
    "tests/attacks/test_tls.py::test_an_assistant_signs_in_and_calls_over_tls",
}


def test_every_test_of_the_threats_table_is_an_attacks():
    [table] = tables_with(read("SECURITY.md"), "Threat")
    cells = " ".join(row["Test"] for row in table.rows)
    assert set(re.findall(r"`(tests/[^`]+)`", cells)) <= named_in(INDEX)
