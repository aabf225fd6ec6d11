"""Rows that are what happened: to be read, searched and exported, not edited."""

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin


class RecordAdmin(AnyModelAdmin):
    """Read-only, but for actions, which need the permission to change."""

    actions: Sequence[str] = ("export_csv",)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [str(field) for field in self.fields or []]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def note(self, request: HttpRequest, rows: "QuerySet[Any]", message: str) -> None:
        for row in rows:
            self.log_change(request, row, message)
        self.message_user(request, message, messages.SUCCESS)

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, rows: "QuerySet[Any]") -> HttpResponse:
        """What the list and the page show, so never more than may be seen there."""
        names = [*dict.fromkeys([*self._columns(self.fields), *self._columns(self.list_display)])]
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        file_name = f"{self.opts.verbose_name_plural}.csv".replace(" ", "-")
        response["Content-Disposition"] = f'attachment; filename="{file_name}"'
        writer = csv.writer(response)
        writer.writerow(names)
        for row in rows.order_by("pk").iterator(chunk_size=1000):
            writer.writerow(spreadsheet_safe(str(self._value(row, name))) for name in names)
        return response

    def _columns(self, names: Any) -> Iterator[str]:
        yield from (str(name) for name in names or () if name != "__str__")

    def _value(self, row: Model, name: str) -> object:
        own: Callable[[Model], object] | None = getattr(self, name, None)
        value = own(row) if own else getattr(row, name)
        return "" if value is None else value


class UnusedAdmin(AnyModelAdmin):
    """The toolkit registers ID tokens, which this server has none of."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


def spreadsheet_safe(value: str) -> str:
    """Spreadsheets run what begins so; a client chooses its own name."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
