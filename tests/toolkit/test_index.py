"""The list of the toolkit's holes against the tests and the patches that bring its defaults back.

That the patches do their work is shown by `script/mutate`, which takes some minutes.
"""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.test_index import INDEX as ATTACKS
from tests.attacks.test_index import functions_of
from tests.docs.markdown import ROOT, read
from tests.requirements import missing

MUTATIONS = ROOT / "tests" / "mutations"
INDEX: dict[str, dict[str, Any]] = tomllib.loads(read("tests/toolkit/holes.toml"))
PATCHES = sorted({str(entry["mutation"]) for entry in INDEX.values() if "mutation" in entry})


@pytest.mark.parametrize("name", INDEX)
def test_a_hole_says_what_it_is_and_has_tests_that_exist(name):
    entry = INDEX[name]
    assert set(entry) - {"crashes"} in ({"says", "tests", "mutation"}, {"says", "tests", "reason"})
    assert entry["says"].endswith(".")
    assert entry.get("reason", "There.").endswith(".")
    assert entry.get("crashes", True) is True
    assert entry["tests"]
    for test in entry["tests"]:
        file, _, function = test.partition("::")
        assert function.startswith("test_")
        assert function in functions_of(file), test


def test_no_hole_has_the_name_of_an_attack():
    """`script/mutate NAME` is to mean one of them."""
    assert not set(INDEX) & set(ATTACKS)


def test_each_patch_is_of_a_hole():
    assert sorted(path.stem for path in MUTATIONS.glob("toolkit-*.patch")) == PATCHES


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_says_what_it_returns_and_applies(name):
    patch = MUTATIONS / f"{name}.patch"
    text = patch.read_text(encoding="utf-8")
    assert re.match(r"Returns: .+\n--- a/", text)
    changed = set(re.findall(r"^\+\+\+ b/(\w+)/", text, re.MULTILINE))
    assert changed <= {"wivmcp", "oauth_bridge", "mcp_gateway"}
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


def test_every_test_of_this_folder_is_of_a_hole():
    named = {test for entry in INDEX.values() for test in entry["tests"]}
    for path in Path(__file__).parent.glob("test_*.py"):
        if path.name == "test_index.py":
            continue
        file = path.relative_to(ROOT).as_posix()
        tests = {name for name in functions_of(file) if name.startswith("test_")}
        assert {f"{file}::{test}" for test in tests} - named <= NOT_HOLES


# What another test stands on.
NOT_HOLES = {
    "tests/toolkit/test_urls.py::test_the_toolkits_device_flow_and_pages_for_developers_are_among_them",
}
