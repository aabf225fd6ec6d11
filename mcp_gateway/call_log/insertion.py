"""Adds many entries by one statement with one parameter: all their values as JSON.

The ORM binds each value by itself. That takes several times as long, and all the while the event
loop waits for the interpreter.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, UUIDField
from pydantic_core import to_json

from mcp_gateway.call_log.models import CallLogEntry

FIELDS = [field for field in CallLogEntry._meta.concrete_fields if not field.primary_key]
# Of attributes and columns alike: none of them is a relation.
NAMES = [field.attname for field in FIELDS]
values_of = attrgetter(*NAMES)
# The databases disagree about how these are spelled.
SPELLED = [field for field in FIELDS if isinstance(field, DateTimeField | UUIDField)]


def insert(entries: Iterable[CallLogEntry]) -> None:
    """In their order. Raises django.db.Error."""
    rows = to_json([row_of(entry) for entry in entries]).decode()
    with connection.cursor() as cursor:
        cursor.execute(statement(), [rows])


def row_of(entry: CallLogEntry) -> dict[str, Any]:
    row = dict(zip(NAMES, values_of(entry), strict=True))
    for field in SPELLED:
        row[field.attname] = field.get_db_prep_save(row[field.attname], connection)
    return row


def statement() -> str:
    """The names in it are our models' own."""
    quote = connection.ops.quote_name
    names = ", ".join(quote(name) for name in NAMES)
    into = f"INSERT INTO {quote(CallLogEntry._meta.db_table)} ({names})"
    if connection.vendor == "sqlite":
        values = ", ".join(f"json_extract(value, '$.{name}')" for name in NAMES)
        return f"{into} SELECT {values} FROM json_each(%s) ORDER BY key"  # noqa: S608
    typed = ", ".join(f"{quote(each.attname)} {each.db_type(connection)}" for each in FIELDS)
    return f"{into} SELECT {names} FROM json_to_recordset(%s) AS entry({typed})"  # noqa: S608
