"""What is an administrator told about a tool that real clients would stumble over?"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from mcp_gateway.catalog import compile_tool
from mcp_gateway.findings import Finding, Severity, findings
from mcp_gateway.models import Tool

if TYPE_CHECKING:
    ToolModelAdmin = admin.ModelAdmin[Tool]
    ToolModelForm = ModelForm[Tool]
else:
    ToolModelAdmin = admin.ModelAdmin
    ToolModelForm = ModelForm

# A page of messages isn't read; the tool's own page has all of them.
MAX_MESSAGES = 5


class ToolForm(ToolModelForm):
    """Shows problems of fields that aren't on the form too, like a shipped tool's name."""

    def add_error(self, field: str | None, error: Any) -> None:
        if field is None and hasattr(error, "error_dict"):
            error = ValidationError(dict(self._placed(error.error_dict)))
        super().add_error(field, error)

    def _placed(self, problems: dict[str, list[ValidationError]]) -> Iterator[tuple[str, Any]]:
        known = {*self.fields, NON_FIELD_ERRORS}
        yield from ((field, each) for field, each in problems.items() if field in known)
        elsewhere = {field: each for field, each in problems.items() if field not in known}
        if elsewhere:
            texts = [f"{field}: {text}" for field, text in told(ValidationError(elsewhere))]
            yield NON_FIELD_ERRORS, [*problems.get(NON_FIELD_ERRORS, []), *texts]


class FindingsFilter(admin.SimpleListFilter):
    title = "findings"
    parameter_name = "findings"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "With findings"), ("no", "Without"), ("left-out", "Left out of the list")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Tool]) -> QuerySet[Tool]:
        """In Python: a few hundred rows at most, and no database knows the rules."""
        fits = {
            "yes": lambda tool: bool(counted(tool)),
            "no": lambda tool: not counted(tool),
            "left-out": lambda tool: bool(why_left_out(tool)),
        }.get(self.value() or "")
        if fits is None:
            return queryset
        return queryset.filter(pk__in=[tool.pk for tool in queryset if fits(tool)])


class FindingsMixin(ToolModelAdmin):
    """Messages when a tool is saved, all of them on its page, their number in the list."""

    form = ToolForm

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tool]:
        """With what compiling a tool reads. Not joined: rows are locked by this query too."""
        related = ("upstream", "replaced_by", "availability")
        return super().get_queryset(request).prefetch_related(*related)

    @admin.display(description="Findings")
    def findings_count(self, tool: Tool) -> str:
        if reason := why_left_out(tool):
            return f"Left out of the list: {reason}"
        return str(len(counted(tool)) or "")

    @admin.display(description="What clients make of it, as it is saved")
    def findings_of_the_row(self, tool: Tool) -> SafeString | str:
        lines = list(lines_about(Tool.objects.get(pk=tool.pk)))
        if not lines:
            return "Nothing is known against it."
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", lines))

    def get_readonly_fields(self, request: HttpRequest, obj: Tool | None = None) -> list[str]:
        return [*map(str, super().get_readonly_fields(request, obj)), "findings_of_the_row"]

    def get_fieldsets(self, request: HttpRequest, obj: Tool | None = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is None:
            return fieldsets
        return [*fieldsets, ("Findings", {"fields": ("findings_of_the_row",)})]

    def save_model(self, request: HttpRequest, obj: Tool, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        found = counted(obj)
        for finding in found[:MAX_MESSAGES]:
            self.message_user(request, labelled(finding, f"{obj}, "), messages.WARNING)
        if len(found) > MAX_MESSAGES:
            more = len(found) - MAX_MESSAGES
            text = f"{more} more findings stand on the page of {obj}."
            self.message_user(request, text, messages.WARNING)


def counted(tool: Tool) -> list[Finding]:
    """All but the notes."""
    return [found for found in findings(vars(tool)) if found.severity != Severity.NOTE]


def why_left_out(tool: Tool) -> str:
    """Why `compile_tools` would leave this row out; empty when it doesn't.

    A row can be written past validation: by a command, the shell or another release.
    """
    try:
        compile_tool(tool)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return ""


def lines_about(tool: Tool) -> Iterator[tuple[SafeString | str]]:
    if reason := why_left_out(tool):
        yield (f"Left out of the list: {reason}",)
    problems = list(problems_of(tool))
    for field, text in problems:
        yield (f"Error in {field}: {text}",)
    for finding in findings(vars(tool)):
        if (finding.field, str(finding)) not in problems:
            yield (with_source(finding),)


def problems_of(tool: Tool) -> Iterable[tuple[str, str]]:
    """What saving this row as it is would be refused for."""
    try:
        tool.full_clean()
    except ValidationError as error:
        return told(error)
    return []


def told(error: ValidationError) -> list[tuple[str, str]]:
    return [(field, text) for field, texts in error.message_dict.items() for text in texts]


def labelled(finding: Finding, tool: str = "") -> str:
    return f"{finding.severity.capitalize()} in {tool}{finding.field}: {finding}"


def with_source(finding: Finding) -> SafeString | str:
    text = labelled(finding)
    if not finding.source:
        return text
    return format_html('{} <a href="{}" rel="noreferrer">Why</a>', text, finding.source)
