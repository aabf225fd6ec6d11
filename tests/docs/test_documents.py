"""What documents point to exists, and what they must not name isn't there."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from connect import ai_clients
from sandbox import fixtures
from tests.docs.markdown import (
    ROOT,
    anchors,
    code,
    code_spans,
    documents,
    links,
    prose,
    read,
    tables_with,
)

# A file or folder of this tree, perhaps with the name of a test in it.
TREE_PATH = re.compile(
    r"((?:\.ci|\.github|connect|deploy|docs|mcp_gateway|oauth_bridge|plugins|sandbox|script|telemetry|templates|tests|wivmcp)/[\w./-]*"
    r"|[\w.-]+\.(?:md|toml|yaml|py)|Dockerfile|LICENSE)(?:::(\w+))?"
)
OUTSIDE = [
    # Folders of one machine; no URL of ours begins so.
    r"(?<![\w.])/(?:home|root|Users|tmp|work|opt|mnt|srv)/",
    r"[A-Z]:\\\\",
    # Where packages come from: whoever installs decides that.
    r"(?:pypi|pythonhosted|npmjs|rubygems|crates)\.(?:org|com|io)",
    r"proxy\.golang\.org",
    r"--(?:extra-)?index-url",
]
BY_PATH = pytest.mark.parametrize(
    "document", documents(), ids=lambda path: str(path.relative_to(ROOT))
)


def test_every_document_that_is_promised_is_there():
    names = {str(path.relative_to(ROOT)) for path in documents()}
    for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY"):
        assert f"{name}.md" in names


def test_the_readme_leads_to_every_document_and_picture():
    there = {str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*") if path.is_file()}
    linked = {link.partition("#")[0] for link in links(read("README.md"))}
    assert there - linked == set()
    [table] = tables_with(read("README.md"), "Read")
    in_table = {link for row in table.rows for link in links(row["Read"])}
    assert in_table >= {path for path in there if not path.startswith("docs/images/")}


def test_the_pictures_are_as_wide_as_a_desk_and_light():
    for path in ROOT.glob("docs/images/*"):
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert int.from_bytes(data[16:20]) <= 1280
        assert len(data) < 300_000


def test_the_readme_begins_with_a_picture_and_the_two_commands():
    [_, sentence, picture, needed, commands, *_] = read("README.md").split("\n\n")
    assert sentence.count(".") == 1
    assert links(picture) == ["docs/images/connect.png"]
    assert needed.startswith("Python 3.11")
    assert commands.startswith("```sh\nscript/demo")


def test_the_readme_counts_the_clients_that_the_connect_page_explains():
    clients = ai_clients.for_server("https://mcp.wiv.example/mcp")
    assert f"the set-up of {len(clients)} AI clients" in read("README.md")


@BY_PATH
def test_links_lead_somewhere(document: Path):
    broken = [link for link in links(document.read_text()) if not leads_somewhere(document, link)]
    assert not broken


def leads_somewhere(document: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme in ("https", "mailto")
    target = (document.parent / unquote(parts.path)).resolve() if parts.path else document
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not parts.fragment or parts.fragment in anchors(target.read_text())


@BY_PATH
def test_files_and_tests_that_are_named_exist(document: Path):
    named = [
        match for span in code_spans(document.read_text()) if (match := TREE_PATH.fullmatch(span))
    ]
    missing = [match[0] for match in named if not exists(document, match[1], match[2])]
    assert not missing


def exists(document: Path, path: str, test: str | None) -> bool:
    # Within docs/ a neighbour may be named by its name alone.
    [*found] = [place / path for place in (ROOT, document.parent) if (place / path).exists()]
    if not found:
        return False
    return test is None or test in functions(found[0])


@cache
def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@BY_PATH
def test_no_machine_and_no_registry_is_named(document: Path):
    text = document.read_text()
    assert not [pattern for pattern in OUTSIDE if re.search(pattern, text)]


@BY_PATH
def test_lines_are_short_except_in_tables(document: Path):
    long = [line for line in prose(document.read_text()).splitlines() if len(line) > 110]
    assert not [line for line in long if not line.startswith("|")]


def test_every_threat_names_the_test_that_covers_it():
    [table] = tables_with(read("SECURITY.md"), "Threat")
    for row in table.rows:
        assert re.fullmatch(
            r"`tests/[\w/]+\.py::test_\w+`(, `tests/[\w/]+\.py::test_\w+`)*", row["Test"]
        )


def test_the_commands_of_the_readme_can_be_run():
    commands = re.findall(r"^(script/\w+)", read("README.md"), re.MULTILINE)
    assert commands == ["script/demo", "script/test"]
    assert all((ROOT / command).stat().st_mode & 0o111 for command in commands)


def test_the_sandboxs_people_are_those_of_the_readme():
    [table] = tables_with(read("README.md"), "User")
    emails = {value for name, value in vars(fixtures).items() if name.endswith("_EMAIL")}
    assert {code(row["User"]) for row in table.rows} == emails
    assert f"every password is `{fixtures.PASSWORD}`" in read("README.md")


def test_the_architecture_lists_the_import_contracts():
    [table] = tables_with(read("docs/architecture.md"), "Contract")
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    assert [row["Contract"] for row in table.rows] == [contract["name"] for contract in contracts]


def test_every_command_of_manage_py_is_documented():
    commands = {
        path.stem for path in ROOT.glob("*/management/commands/*.py") if path.stem != "__init__"
    }
    text = read("docs/operations.md")
    assert not {name for name in commands if not re.search(rf"\b{name}\b", text)}


def test_every_direct_dependency_has_its_reason():
    [table] = tables_with(read("docs/decisions.md"), "Package")
    explained = {name for row in table.rows for name in row["Package"].split(", ")}
    direct = [requirements(path.name) for path in ROOT.glob("requirements*.in")]
    assert explained == set().union(*direct)


def requirements(name: str) -> set[str]:
    """Package names without extras and versions."""
    lines = read(name).splitlines()
    found = {re.split(r"[\[~<>=]", line)[0] for line in lines if not line.startswith(("-", "#"))}
    return found - {""}


def test_the_changelog_names_the_version():
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert version in read("CHANGELOG.md")
    assert f"{version}, unreleased" in read("README.md") or f"[{version}]" in read("CHANGELOG.md")
    supported = ".".join(version.split(".")[:2])
    [table] = tables_with(read("SECURITY.md"), "Version")
    assert supported in {row["Version"] for row in table.rows}


def test_every_failure_in_operation_names_the_test_that_shows_it():
    [table] = tables_with(read("docs/operations.md"), "Failure")
    for row in table.rows:
        assert re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", row["Test"])
