"""A query that is asked at each request, made and compiled to SQL once.

Asking it takes a twentieth of what the ORM takes to make it (docs/decisions.md). What is asked is
still said to the ORM.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
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
    compiled_on: BaseDatabaseWrapper

    def parameters_for(self, value: str) -> list[Any]:
        return [value if each == PLACE else each for each in self.parameters]

    def converted(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for index, functions, column in self.converters:
            for function in functions:
                values[index] = function(values[index], column, self.compiled_on)
        return tuple(values)


class PreparedQuery:
    """`make(value)` is a queryset with `values_list`; nothing in it may depend on the moment."""

    def __init__(self, make: Callable[[str], QuerySet[Any, Any]]) -> None:
        self._make = make
        # None until somebody has asked.
        self.compiled: Compiled | None = None

    def first(self, value: str) -> tuple[Any, ...] | None:
        """The first row for `value`, or None."""
        compiled = self.compiled
        if compiled is None:
            compiled = self.compiled = compile_query(self._make(PLACE))
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.parameters_for(value))
            row = cursor.fetchone()
        return None if row is None else compiled.converted(row)


def compile_query(queryset: QuerySet[Any, Any]) -> Compiled:
    wrapper = connections[DEFAULT_DB_ALIAS]
    compiler = queryset.query.get_compiler(connection=wrapper)
    sql, parameters = compiler.as_sql()
    columns = [column for column, _, _ in compiler.select or ()]
    converters = compiler.get_converters(columns)
    by_column = [(index, *converters[index]) for index in sorted(converters)]
    return Compiled(sql, parameters, by_column, wrapper)
