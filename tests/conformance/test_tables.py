"""The tables are whole: each row is held by a test that exists, or by a role we don't play."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.conformance import tables
from tests.conformance.tables import LEVELS, Requirement

ROOT = Path(__file__).resolve().parents[2]
BY_TABLE = pytest.mark.parametrize("path", tables.paths(), ids=lambda path: path.stem)


@BY_TABLE
def test_a_table_has_a_title_and_rows(path: Path):
    table = tables.read_table(path)
    assert table.title
    assert table.requirements


@BY_TABLE
def test_each_row_is_held_by_tests_or_by_another_role(path: Path):
    rows = tables.read_table(path).requirements
    assert not [row for row in rows if bool(row.tests) == bool(row.not_ours)]


@BY_TABLE
def test_each_row_says_one_thing_at_a_known_level(path: Path):
    rows = tables.read_table(path).requirements
    assert not [row for row in rows if row.level not in LEVELS or not row.clause]
    sentences = [text for row in rows for text in (row.says, row.note or ".")]
    assert not [text for text in sentences if not text.endswith(".")]


@BY_TABLE
def test_each_row_fits_its_line_of_the_document(path: Path):
    rows = tables.read_table(path).requirements
    assert not [row for row in rows if {"|", "\n"} & set(row.clause + row.says + row.note)]


@BY_TABLE
def test_no_row_is_there_twice(path: Path):
    rows = tables.read_table(path).requirements
    counted = Counter((row.clause, row.level, row.says) for row in rows)
    assert not [row for row, count in counted.items() if count > 1]


@BY_TABLE
def test_the_roles_we_dont_play_are_explained(path: Path):
    named = {row.not_ours for row in tables.read_table(path).requirements} - {""}
    assert named <= set(tables.read_roles())


@BY_TABLE
def test_the_tests_that_are_named_exist(path: Path):
    rows = tables.read_table(path).requirements
    assert not [test for row in rows for test in row.tests if not exists(test)]
    assert not [row for row in rows if names_a_test_twice(row)]


def names_a_test_twice(row: Requirement) -> bool:
    return len(row.tests) != len(set(row.tests))


def exists(test: str) -> bool:
    """`tests/folder/test_file.py::test_name`"""
    name, _, function = test.partition("::")
    return function.startswith("test_") and function in functions(name)


@cache
def functions(name: str) -> frozenset[str]:
    """Those pytest would collect from a file of the suite."""
    path = ROOT / name
    if not (name.startswith("tests/") and path.name.startswith("test_") and path.is_file()):
        return frozenset()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


def test_a_test_that_isnt_there_is_noticed():
    here = "tests/conformance/test_tables.py"
    assert exists(f"{here}::test_a_test_that_isnt_there_is_noticed")
    assert not exists(f"{here}::test_nothing")
    assert not exists(f"{here}::exists")
    assert not exists("tests/conformance/test_nothing.py::test_nothing")


def test_each_role_has_a_reason_and_a_row():
    roles = tables.read_roles()
    assert all(why.endswith(".") and "|" not in why for why in roles.values())
    read = [tables.read_table(path) for path in tables.paths()]
    assert set(roles) <= {row.not_ours for table in read for row in table.requirements}


def test_the_document_is_what_script_conformance_writes():
    written = tables.DOCUMENT.read_text(encoding="utf-8")
    assert written == tables.document(), "run script/conformance"
