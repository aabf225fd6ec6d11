"""The index of attacks against the tests, the patches and the Threats table of SECURITY.md.

That the patches do their work is shown by `script/mutate`, which takes some minutes.
"""

import ast
import os
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.docs.markdown import ROOT, read, tables_with
from tests.requirements import missing

MUTATIONS = ROOT / "tests" / "mutations"
INDEX: dict[str, dict[str, Any]] = tomllib.loads(read("tests/attacks/attacks.toml"))


def mutation_of(name: str) -> str:
    return str(INDEX[name].get("mutation", name))


@cache
def functions_of(file: str) -> set[str]:
    nodes = ast.walk(ast.parse(read(file)))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in nodes if isinstance(node, functions)}


@pytest.mark.parametrize("name", INDEX)
def test_an_attack_says_what_it_is_and_has_tests_that_exist(name):
    entry = INDEX[name]
    assert set(entry) - {"mutation"} == {"attack", "reason", "tests"}
    assert entry["attack"]
    assert entry["reason"]
    assert entry["tests"]
    for test in entry["tests"]:
        file, _, function = test.partition("::")
        assert function.startswith("test_")
        assert function in functions_of(file), test


def test_every_attack_has_its_patch_and_every_patch_an_attack():
    """Those of the toolkit's defaults are tests/toolkit's."""
    patches = {path.stem for path in MUTATIONS.iterdir() if not path.match("toolkit-*")}
    assert {path.suffix for path in MUTATIONS.iterdir()} == {".patch"}
    assert {mutation_of(name) for name in INDEX} == patches


@pytest.mark.parametrize("name", sorted({mutation_of(name) for name in INDEX}))
def test_a_patch_says_what_it_removes_and_applies(name):
    patch = MUTATIONS / f"{name}.patch"
    text = patch.read_text(encoding="utf-8")
    assert re.match(r"Removes: .+\n--- a/", text)
    changed = set(re.findall(r"^\+\+\+ b/(\w+)/", text, re.MULTILINE))
    assert changed <= {"wivmcp", "oauth_bridge", "mcp_gateway", "connect", "templates"}
    if not shutil.which("git"):
        missing("git")
    checked = subprocess.run(
        ["git", "apply", "--check", str(patch)],
        cwd=ROOT,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(ROOT.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_attack_test_of_this_folder_is_in_the_index():
    named = {test for entry in INDEX.values() for test in entry["tests"]}
    for path in Path(__file__).parent.glob("test_*.py"):
        if path.name in ("test_index.py", "test_honest_flows.py"):
            continue
        file = path.relative_to(ROOT).as_posix()
        tests = {name for name in functions_of(file) if name.startswith("test_")}
        assert {f"{file}::{test}" for test in tests} - named <= NOT_ATTACKS


# What an attack's tests stand on, and one that isn't held off yet.
NOT_ATTACKS = {
    "tests/attacks/test_client_documents.py::test_a_document_on_a_public_host_is_fetched",
    "tests/attacks/test_client_documents.py::test_a_document_that_drips_is_given_up",
    "tests/attacks/test_redirects.py::test_another_spelling_of_the_host_arrives_at_the_same_host",
    "tests/attacks/test_tls.py::test_an_assistant_signs_in_and_calls_over_tls",
}


def test_every_test_of_the_threats_table_is_an_attacks():
    [table] = tables_with(read("SECURITY.md"), "Threat")
    named = {test for entry in INDEX.values() for test in entry["tests"]}
    cells = " ".join(row["Test"] for row in table.rows)
    assert set(re.findall(r"`(tests/[^`]+)`", cells)) <= named
