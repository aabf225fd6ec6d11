"""How does an administrator see, edit and switch tools?

Every change is one LogEntry, and is remembered in `overridden`, so that sync_tools leaves it alone.
The switch is a submit button of the list's own form: one click, no JavaScript, CSRF-protected.
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from mcp_gateway.admin.access import AvailabilityInline
from mcp_gateway.admin.cost import CostMixin
from mcp_gateway.admin.findings import FindingsFilter, FindingsMixin
from mcp_gateway.admin.history import HistoryMixin
from mcp_gateway.admin.openapi import OpenApiMixin
from mcp_gateway.admin.transfer import TransferMixin
from mcp_gateway.admin.trial import TrialMixin
from mcp_gateway.models import FormerName, Source, Tool, ToolQuerySet
from mcp_gateway.seed import read_definitions, synchronize

if TYPE_CHECKING:
    ToolModelAdmin = admin.ModelAdmin[Tool]
else:
    ToolModelAdmin = admin.ModelAdmin


class IndentedJsonEncoder(json.JSONEncoder):
    """A schema on one line can't be edited."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "indent": 2})


@admin.register(Tool)
class ToolAdmin(
    HistoryMixin, TransferMixin, CostMixin, FindingsMixin, OpenApiMixin, TrialMixin, ToolModelAdmin
):
    list_display = (
        "name",
        "enabled",
        "tokens",
        "findings_count",
        "category",
        "required_scope",
        "wiv_request",
    )
    list_filter = (
        "category",
        "enabled",
        "read_only",
        "approval",
        "required_scope",
        "source",
        ("upstream", admin.RelatedOnlyFieldListFilter),
        ("availability", admin.EmptyFieldListFilter),
        FindingsFilter,
    )
    inlines = (AvailabilityInline,)
    autocomplete_fields = ("replaced_by",)
    search_fields = ("name", "title", "description", "path_template")
    readonly_fields = ("source", "overridden")
    actions = ("switch_on", "switch_off", "follow_catalog", "export_selected")
    save_as = True
    # Compared with the row, not with a hidden copy in the form, to see which fields changed.
    formfield_overrides = {
        models.JSONField: {"encoder": IndentedJsonEncoder, "show_hidden_initial": False}
    }
    fieldsets = (
        (None, {"fields": ("name", "title", "description", "category", "position", "enabled")}),
        (
            "Request",
            {
                "fields": (
                    "upstream",
                    ("http_method", "path_template"),
                    "query_parameters",
                    "parameters",
                    ("body", "body_wrapper"),
                    "timeout",
                )
            },
        ),
        ("Arguments", {"fields": ("input_schema",)}),
        (
            "What assistants are told, and what a token needs",
            {
                "fields": (
                    ("read_only", "destructive", "idempotent", "open_world"),
                    "required_scope",
                )
            },
        ),
        ("Answer", {"fields": ("projection", "max_answer_bytes", "untrusted_fields")}),
        (
            "Approval by its user",
            {
                "fields": (
                    "approval",
                    "approval_condition",
                    "free_calls",
                    ("preview_tool", "preview_object"),
                )
            },
        ),
        ("Long job", {"fields": ("job",)}),
        ("While it is switched off", {"fields": ("replaced_by", "retirement_note")}),
        ("Origin", {"fields": ("source", "overridden")}),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A tool that is named is chosen from those there are."""
        if db_field.name == "preview_tool":
            return preview_choice(db_field.help_text)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="Request", ordering="path_template")
    def wiv_request(self, tool: Tool) -> str:
        return f"{tool.http_method} {tool.path_template}"

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        columns = super().get_list_display(request)
        if not self.has_change_permission(request):
            return tuple(columns)
        query = self.get_preserved_filters(request)

        @admin.display(description="Switch")
        def switch(tool: Tool) -> SafeString:
            return switch_button(tool, query)

        name, *others = columns
        return (name, switch, *others)  # the switch where a narrow window still shows it

    def get_readonly_fields(self, request: HttpRequest, obj: Tool | None = None) -> list[str]:
        """A shipped tool's name is how sync_tools finds it again."""
        fields = [str(field) for field in super().get_readonly_fields(request, obj)]
        return [*fields, "name"] if obj is not None and obj.source == Source.CATALOG else fields

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.switch_view))
        switch = path("<int:pk>/switch/<str:state>/", view, name="mcp_gateway_tool_switch")
        return [switch, *super().get_urls()]

    def switch_view(self, request: HttpRequest, pk: int, state: str) -> HttpResponse:
        if state not in ("on", "off"):
            raise Http404
        if not self.has_change_permission(request):
            raise PermissionDenied
        self.switch(request, Tool.objects.filter(pk=pk), enabled=state == "on")
        query = request.GET.get("_changelist_filters", "")
        return HttpResponseRedirect(f"{reverse('admin:mcp_gateway_tool_changelist')}?{query}")

    @admin.action(description="Switch on selected tools", permissions=["change"])
    def switch_on(self, request: HttpRequest, tools: ToolQuerySet) -> None:
        self.switch(request, tools, enabled=True)

    @admin.action(description="Switch off selected tools", permissions=["change"])
    def switch_off(self, request: HttpRequest, tools: ToolQuerySet) -> None:
        self.switch(request, tools, enabled=False)

    def switch(self, request: HttpRequest, tools: ToolQuerySet, *, enabled: bool) -> None:
        with transaction.atomic():
            switched = list(tools.exclude(enabled=enabled).select_for_update())
            for tool in switched:
                tool.enabled = enabled
                tool.override(["enabled"])
                tool.save(update_fields=["enabled", "overridden"])
            self.log_changes(request, switched, f"Switched {'on' if enabled else 'off'}.")

    @admin.action(description="Follow the shipped catalog again", permissions=["change"])
    def follow_catalog(self, request: HttpRequest, tools: ToolQuerySet) -> None:
        """Forgets what administrators decided about these tools."""
        with transaction.atomic():
            followers = list(tools.filter(source=Source.CATALOG).exclude(overridden=[]))
            Tool.objects.filter(pk__in=[tool.pk for tool in followers]).update(overridden=[])
            synchronize(read_definitions())
            self.log_changes(request, followers, "Follows the shipped catalog again.")

    def log_changes(self, request: HttpRequest, tools: Iterable[Tool], message: str) -> None:
        for tool in tools:
            self.log_change(request, tool, message)
            self.message_user(request, f"{message.rstrip('.')}: {tool}", messages.SUCCESS)

    def save_model(
        self, request: HttpRequest, obj: Tool, form: "forms.ModelForm[Tool]", change: bool
    ) -> None:
        if change and obj.source == Source.CATALOG:
            obj.override(form.changed_data)
        super().save_model(request, obj, form, change)
        if change and "name" in form.changed_data:
            FormerName.remember(form.initial["name"], obj)

    def has_delete_permission(self, request: HttpRequest, obj: Tool | None = None) -> bool:
        """A shipped tool would come back with the next sync_tools: it can only be switched off."""
        if obj is not None and obj.source == Source.CATALOG:
            return False
        return super().has_delete_permission(request, obj)


def preview_choice(help_text: str) -> forms.ChoiceField:
    def choices() -> list[tuple[str, str]]:
        readers = Tool.objects.filter(read_only=True).values_list("name", flat=True)
        return [("", "none"), *((name, name) for name in readers)]

    return forms.ChoiceField(choices=choices, required=False, help_text=help_text)


def switch_button(tool: Tool, query: str) -> SafeString:
    """A button that submits the surrounding form, whose CSRF token it needs, to its own URL."""
    state = "off" if tool.enabled else "on"
    url = reverse("admin:mcp_gateway_tool_switch", args=[tool.pk, state])
    return format_html(
        '<button type="submit" class="button" formaction="{}?{}" aria-label="Switch {} {}">'
        "Switch {}</button>",
        *(url, query, state, tool.name, state),
    )
