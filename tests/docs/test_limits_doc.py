"""The table of limits in docs/security.md against the settings and the code."""

import re
from datetime import timedelta

import pytest

from mcp_gateway.http_rule import MAX_TARGET_BYTES
from mcp_gateway.openapi import MAX_DOCUMENT_BYTES
from mcp_gateway.plain_json import MAX_DEPTH
from oauth_bridge.parameters import MAX_PARAMETER_LENGTH
from oauth_bridge.registration import MAX_BODY_BYTES
from tests.docs.markdown import code, read, tables_with
from tests.docs.test_settings_doc import VARIABLES, evaluated
from wivmcp import settings
from wivmcp.connection import MAX_UNFINISHED_BYTES
from wivmcp.intake import UPLOADS_AT_ONCE

[TABLE] = [
    each for each in tables_with(read("docs/security.md"), "What") if "Answer" in each.columns
]
ROWS = {row["What"]: row for row in TABLE.rows}
# Those that no setting changes.
FIXED = {
    "Headers, a chunk's first line, or trailers that don't end": MAX_UNFINISHED_BYTES,
    "Body, anywhere else": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    "Body of a registration": MAX_BODY_BYTES,
    "A file for the admin": MAX_DOCUMENT_BYTES,
    "Files being uploaded to a worker": UPLOADS_AT_ONCE,
    "Levels of JSON in a message": MAX_DEPTH,
    "URL of the request that a call makes": MAX_TARGET_BYTES,
    "Parameter of an OAuth request": MAX_PARAMETER_LENGTH,
}
UNITS = {"KiB": 1024, "MiB": 1024 * 1024}


def limit(row: dict[str, str]) -> int:
    """ "32 KiB" -> 32768, "1,000 an hour" -> 1000, "30 s" -> 30"""
    number, _, unit = row["Limit"].partition(" ")
    return int(number.replace(",", "")) * UNITS.get(unit, 1)


def by_setting() -> list[tuple[str, str]]:
    rows = [(what, code(row["Setting"])) for what, row in ROWS.items()]
    return [(what, name) for what, name in rows if name.isupper()]


@pytest.mark.parametrize(("what", "name"), by_setting())
def test_a_limit_is_its_settings_default(what, name):
    default = evaluated(VARIABLES[name].default)
    if isinstance(default, timedelta):
        default = int(default.total_seconds())
    assert limit(ROWS[what]) == default


def test_the_others_are_those_of_the_code():
    set_by_somebody = {what for what, _ in by_setting()}
    limited = {what for what, row in ROWS.items() if row["Limit"] != "none"}
    assert limited - set_by_somebody == set(FIXED)
    assert {what: limit(ROWS[what]) for what in FIXED} == FIXED


def test_every_setting_that_limits_callers_is_there():
    pattern = re.compile(r".*_PER_(ADDRESS|ACCOUNT|VENDOR|MINUTE|TOOL)|.*MAX_.*BYTES|MAX_CONN.*")
    limits = {name for name in VARIABLES if pattern.fullmatch(name)}
    assert limits <= {name for _, name in by_setting()}


def test_every_limit_says_what_is_answered():
    assert all(row["Answer"] for row in ROWS.values())
