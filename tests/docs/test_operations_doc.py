"""The commands of docs/operations.md against manage.py, and its incidents against the code."""

import re

import pytest
from django.core.management import BaseCommand, get_commands, load_command_class

from tests.docs.markdown import ROOT, code, read, tables_with

TEXT = read("docs/operations.md")
# "manage.py NAME" and what follows it on the line or in the code span.
COMMANDS = sorted(set(re.findall(r"manage\.py (\w+)([^`\n#]*)", TEXT)))
# What these two commands find, each in a table of its own.
TABLES = {"doctor": "Finding", "check_upstreams": "Upstream finding"}


@pytest.mark.parametrize(("name", "arguments"), COMMANDS)
def test_a_documented_command_takes_what_the_document_gives_it(name, arguments):
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    parser = command.create_parser("manage.py", name)
    given = re.findall(r"--[\w-]+", arguments)
    assert set(given) <= set(parser._option_string_actions)


@pytest.mark.parametrize("name", ["check_upstreams", "doctor"])
def test_the_options_of_a_command_are_documented(name):
    command = load_command_class("connect", name)
    own = {each for each in options_of(command) if each not in options_of_django()}
    listed = {code(row["Option"]) for table in tables_with(TEXT, "Option") for row in table.rows}
    assert own - {"url"} <= listed


def options_of(command: BaseCommand) -> set[str]:
    return {
        option
        for option in command.create_parser("manage.py", "x")._option_string_actions
        if option.startswith("--")
    }


def options_of_django() -> set[str]:
    return options_of(load_command_class("django.core", "check")) | {"--skip-checks"}


def test_every_finding_that_the_incidents_name_exists():
    named = set(re.findall(r"\b([DU]\d{3})\b", TEXT))
    listed = {
        code(row[column])
        for column in TABLES.values()
        for table in tables_with(TEXT, column)
        for row in table.rows
    }
    assert named == listed


def test_what_people_say_in_the_incidents_is_what_pages_tell_them():
    """So that an operator who searches the document for a page's words finds them."""
    [table] = tables_with(TEXT, "They say")
    product = "".join(
        path.read_text()
        for app in ("oauth_bridge", "connect", "mcp_gateway", "templates")
        for path in (ROOT / app).rglob("*")
        if path.suffix in (".py", ".html")
    )
    quoted = [
        words for row in table.rows if (words := row["They say"].strip('"')).startswith(PAGES)
    ]
    assert len(quoted) == len(PAGES)
    assert [words for words in quoted if words not in product] == []


# How the messages of oauth_bridge/sign_in.py begin that have an incident of their own.
PAGES = ("This server's connection", "Your account isn't", "Your access to")
