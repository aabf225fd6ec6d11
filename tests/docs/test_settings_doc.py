"""docs/settings.md and .env.example against wivmcp/settings.py, which is read as a syntax tree."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from environs import Env

from tests.docs.markdown import code, read, tables, tables_with

SETTINGS = "wivmcp/settings.py"
DOCUMENT = "docs/settings.md"
TYPES = {
    "str": "text",
    "list": "list",
    "int": "integer",
    "float": "number",
    "dict": "mapping",
    "bool": "boolean",
    "timedelta": "duration",
}


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    kind: str
    section: str
    is_required: bool
    # The default's source; "" without one.
    default: str


def variables() -> Iterator[Variable]:
    """Every `env.KIND("NAME", default=...)`."""
    source = read(SETTINGS)
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env"), attr=kind),
                args=[ast.Constant(value=str(name))],
                keywords=keywords,
            ):
                defaults = [ast.unparse(k.value) for k in keywords if k.arg == "default"]
                section = section_of(source, node.lineno)
                yield Variable(name, kind, section, not defaults, "".join(defaults))


def section_of(source: str, line: int) -> str:
    """The nearest comment `# --- Title ---` above."""
    above = source.splitlines()[:line]
    titles: list[str] = re.findall(r"^# --- (.+?) -+$", "\n".join(above), re.MULTILINE)
    return titles[-1]


VARIABLES = {variable.name: variable for variable in variables()}


def documented() -> dict[str, dict[str, str]]:
    """A row, with its section, by the variable's name."""
    return {
        code(row["Variable"]): row | {"section": table.section}
        for table in tables(read(DOCUMENT))
        if table.columns[:2] == ("Variable", "Type")
        for row in table.rows
    }


def test_the_settings_read_the_environment_only_in_ways_this_test_understands():
    source = read(SETTINGS)
    assert len(re.findall(r"\benv[.(]", source)) == len(VARIABLES)
    assert "environ[" not in source
    assert "getenv" not in source


def test_every_setting_is_documented_and_nothing_else_is():
    assert set(documented()) == set(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_setting_is_documented_as_it_is_read(name, monkeypatch):
    variable, row = VARIABLES[name], documented()[name]
    assert row["section"] == variable.section
    assert row["Type"].split(",")[0] == TYPES[variable.kind]
    assert row["What for"]
    assert (row["Default"] == "**required**") == variable.is_required
    if variable.is_required:
        return
    default = evaluated(variable.default)
    if default in ("", [], {}):
        assert row["Default"] == "empty"
    elif default is not None:
        monkeypatch.setenv(name, code(row["Default"]))
        assert getattr(Env(), variable.kind)(name) == default
    else:
        assert row["Default"], "a default that depends on something is described in words"


def evaluated(source: str) -> object:
    """A default's value; None for one that depends on other names."""
    try:
        return eval(source, {"__builtins__": {}, "timedelta": timedelta})
    except NameError:
        return None


def example() -> dict[str, str]:
    """The variables of .env.example, those that are commented out included."""
    lines = re.findall(r"^#?([A-Z_]+)=(.*)$", read(".env.example"), re.MULTILINE)
    return dict(lines)


def test_the_example_names_no_unknown_setting():
    assert set(example()) <= set(VARIABLES)


def test_the_example_has_every_required_setting():
    assert {name for name, variable in VARIABLES.items() if variable.is_required} <= set(example())


def test_what_the_server_process_reads_is_documented():
    [table] = [table for table in tables(read(DOCUMENT)) if table.section == "The server process"]
    header = re.findall(r"^#   ([A-Z_]+(?:, [A-Z_]+)*) ", read("script/serve"), re.MULTILINE)
    assert {code(row["Variable"]) for row in table.rows} == set(", ".join(header).split(", "))


def test_every_check_is_documented_and_nothing_else_is():
    [table] = tables_with(read(DOCUMENT), "Id")
    sources = read("oauth_bridge/checks.py") + read("mcp_gateway/checks.py")
    ids = set(re.findall(r'"((?:oauth_bridge|mcp_gateway)\.[EIW]\d+)"', sources))
    assert {code(row["Id"]) for row in table.rows} == ids
