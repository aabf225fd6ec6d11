"""A query that is asked at each request, made and compiled to SQL once.

Asking it takes a twentieth of what the ORM takes to make it (docs/decisions.md). What is asked is
still said to the ORM.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

# Stands where the value goes. No row has it.
PLACE = "the value that is asked for"
Converters = Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]


@dataclass(frozen=True, slots=True)
class Compiled:
    """`converters`: by column, what makes Python's values of the database's."""

    sql: str
    parameters: Sequence[Any]
    converters: Converters

    def parameters_for(self, value: str) -> list[Any]:
        return [value if each == PLACE else each for each in self.parameters]


class PreparedQuery:
    """`make(value)` is a queryset with `values_list`; nothing in it may depend on the moment."""

    def __init__(self, make: Callable[[str], QuerySet[Any, Any]]) -> None:
        self._make = make
        self._compiled: Compiled | None = None

    def first(self, value: str) -> tuple[Any, ...] | None:
        """The first row for `value`, or None."""
        compiled = self._compiled
        if compiled is None:
            compiled = self._compiled = compile_query(self._make(PLACE))
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.parameters_for(value))
            row = cursor.fetchone()
        return None if row is None else converted(row, compiled.converters)


def compile_query(queryset: QuerySet[Any, Any]) -> Compiled:
    compiler = queryset.query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    columns = [column for column, _, _ in compiler.select or ()]
    converters = compiler.get_converters(columns)
    return Compiled(sql, parameters, [(index, *converters[index]) for index in sorted(converters)])


def converted(row: Sequence[Any], converters: Converters) -> tuple[Any, ...]:
    values = list(row)
    for index, functions, column in converters:
        for function in functions:
            values[index] = function(values[index], column, connection)
    return tuple(values)
