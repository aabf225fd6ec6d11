"""How does an administrator try a tool, as a dry run or with somebody's Wiv API key?

A dry run shows the request and sends nothing. A live run takes a key typed in for this once: it is
never stored, logged or shown again. Who may only view may do dry runs.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from mcp_gateway.answers import estimated_tokens, size_of
from mcp_gateway.catalog import CatalogTool, compile_tool
from mcp_gateway.errors import ArgumentsRefused, WivError
from mcp_gateway.key_argument import KEY_ARGUMENT
from mcp_gateway.models import Tool
from mcp_gateway.plain_json import NotPlainJson, read_plain_json
from mcp_gateway.server import is_possible_key
from mcp_gateway.trial import NotAKey, Outcome, SentRequest, find_key_owner, rehearse, run
from oauth_bridge.credentials import CredentialError, Secret, TokenGrant, address_of

if TYPE_CHECKING:
    ToolModelAdmin = admin.ModelAdmin[Tool]
else:
    ToolModelAdmin = admin.ModelAdmin

# Before an argument's name, as a tool may have one that is called like a field of this form.
PREFIX = "argument-"
# Characters of an answer that a page shows.
SHOWN_CHARACTERS = 20_000
NEXT_PROBLEM = re.compile(r"; (?=[^;:]{1,200}: |and \d+ more)")


class TrialForm(forms.Form):
    """A field for each property of a tool's input schema, and one for all as a JSON object."""

    raw = forms.CharField(
        label="All arguments as JSON",
        required=False,
        help_text="Used instead of the fields above when it isn't empty.",
        widget=forms.Textarea(attrs={"rows": 6, "cols": 60, "spellcheck": "false"}),
    )

    def __init__(self, schema: Mapping[str, Any], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.schema = schema
        required = schema.get("required", [])
        for name, part in schema.get("properties", {}).items():
            self.fields[PREFIX + name] = argument_field(name, part, name in required)
        self.order_fields([*(name for name in self.fields if name != "raw"), "raw"])

    @property
    def arguments(self) -> Iterator[forms.BoundField]:
        return (self[name] for name in self.fields if name.startswith(PREFIX))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["arguments"] = self._raw_arguments() if cleaned.get("raw") else self._arguments()
        return cleaned

    def _raw_arguments(self) -> dict[str, Any]:
        try:
            arguments = read_plain_json(self.cleaned_data["raw"])
        except NotPlainJson as error:
            self.add_error("raw", f"This {error}.")
            return {}
        if not isinstance(arguments, dict):
            self.add_error("raw", "This must be a JSON object of arguments.")
            return {}
        if KEY_ARGUMENT in arguments:
            self.data = dict(self.data.items()) | {"raw": ""}  # it isn't shown again
            self.add_error("raw", f"{KEY_ARGUMENT} isn't taken here; use the field for the key.")
        return arguments

    def _arguments(self) -> dict[str, Any]:
        """An empty field is an argument that isn't there."""
        arguments = {}
        for name, part in self.schema.get("properties", {}).items():
            text = self.cleaned_data.get(PREFIX + name, "")
            if text == "":
                continue
            try:
                arguments[name] = argument_value(part, text)
            except NotPlainJson as error:
                self.add_error(PREFIX + name, f"This {error}.")
        return arguments

    def refuse(self, refused: ArgumentsRefused) -> None:
        """The words that a model gets, above all; and at each field those about it."""
        self.add_error(None, refused.for_model)
        if self.cleaned_data.get("raw"):
            return
        for problem in NEXT_PROBLEM.split(refused.for_model.partition("call again: ")[2]):
            for name in self.schema.get("properties", {}):
                if is_about(problem, name) and PREFIX + name not in self.errors:
                    self.add_error(PREFIX + name, problem.removesuffix("."))
        for name in re.findall(r"^The argument '([^']+)'", refused.for_model):
            self.add_error(PREFIX + name, refused.for_model)


class LiveRunForm(forms.Form):
    api_key = forms.CharField(
        label="Wiv API key",
        required=False,
        max_length=4096,
        help_text="For this one call. It is not stored, logged or shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    really = forms.BooleanField(label="Really do it: this may change something", required=False)

    def __init__(self, tool: CatalogTool, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.tool = tool
        if tool.is_read_only:
            del self.fields["really"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not is_possible_key(cleaned.get("api_key")):
            self.add_error("api_key", "Type in a Wiv API key.")
        if not self.tool.is_read_only and not cleaned.get("really"):
            self.add_error("really", "This tool writes. Tick this to call it all the same.")
        return cleaned


class TrialMixin(ToolModelAdmin):
    """A page "Try it" beside each tool's own."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.trial_view)
        return [path("<int:pk>/try/", view, name="mcp_gateway_tool_try"), *super().get_urls()]

    @method_decorator(sensitive_post_parameters("api_key"))
    def trial_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = Tool.objects.select_related("upstream", "replaced_by").filter(pk=pk).first()
        if row is None:
            raise Http404
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": f"Try {row.name}",
            "may_run": self.has_change_permission(request),
        }
        try:
            tool = compile_tool(row)
        except (TypeError, ValueError) as error:
            context["unusable"] = str(error)
        else:
            context |= self._trial(request, row, tool)
        return TemplateResponse(request, "admin/mcp_gateway/tool/trial.html", context)

    def _trial(self, request: HttpRequest, row: Tool, tool: CatalogTool) -> dict[str, Any]:
        if request.method != "POST":
            return {"form": TrialForm(row.input_schema), "live_form": LiveRunForm(tool)}
        is_live = "run" in request.POST
        if is_live and not self.has_change_permission(request):
            raise PermissionDenied
        form = TrialForm(row.input_schema, request.POST)
        live_form = LiveRunForm(tool, request.POST if is_live else None)
        shown: dict[str, Any] = {"form": form, "live_form": live_form}
        if form.is_valid():
            shown |= rehearsed(form, tool)
        if is_live and "sent" in shown and live_form.is_valid():
            shown |= self._run(request, row, tool, form.cleaned_data["arguments"], live_form)
        return shown

    def _run(
        self,
        request: HttpRequest,
        row: Tool,
        tool: CatalogTool,
        arguments: Mapping[str, Any],
        live_form: LiveRunForm,
    ) -> dict[str, Any]:
        grant = owner_of_key(request, live_form)
        if grant is None:
            return {}
        status = "an unexpected error"
        try:
            outcome = async_to_sync(run)(tool, arguments, grant)
            status = f"{outcome.status or 'no answer'}"
        finally:
            self.log_change(request, row, f"Tried it with an API key: {status}.")
        return {"outcome": outcome, "sent": outcome.sent, "views": list(views_of(outcome))}


def rehearsed(form: TrialForm, tool: CatalogTool) -> dict[str, SentRequest]:
    try:
        return {"sent": async_to_sync(rehearse)(tool, form.cleaned_data["arguments"])}
    except ArgumentsRefused as refused:
        form.refuse(refused)
    except WivError as error:
        form.add_error(None, error.for_model)
    return {}


def owner_of_key(request: HttpRequest, live_form: LiveRunForm) -> TokenGrant | None:
    """None when the form says why not."""
    key = Secret(live_form.cleaned_data["api_key"])
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    address = address_of(forwarded, request.META.get("REMOTE_ADDR", ""))
    try:
        return async_to_sync(find_key_owner)(key, address)
    except CredentialError as error:
        live_form.add_error("api_key", error.description)
    except NotAKey:
        live_form.add_error("api_key", "This works here, but is no Wiv API key.")
    return None


# The form's fields --------------------------------------------------------------------------------


def argument_field(name: str, part: Any, is_required: bool) -> forms.Field:
    """Never required for the form: that an argument is missing is said in the server's words."""
    part = part if isinstance(part, Mapping) else {}
    label = f"{name} (required)" if is_required else name
    field = forms.CharField(
        label=label,
        required=False,
        strip=False,
        help_text=help_text(part),
        widget=widget_of(part),
    )
    field.widget.attrs["aria-required"] = "true" if is_required else "false"
    return field


def help_text(part: Mapping[str, Any]) -> str:
    told = [str(part.get("description", ""))]
    if "default" in part:
        told.append(f"Default: {json.dumps(part['default'])}.")
    return " ".join(filter(None, told))


def widget_of(part: Mapping[str, Any]) -> forms.Widget:
    choices = choices_of(part)
    if choices:
        return forms.Select(choices=[("", "—"), *((text, text) for text in choices)])
    match part.get("type"):
        case "integer" | "number":
            return forms.TextInput(attrs={"inputmode": "decimal"})
        case "string":
            return forms.TextInput(attrs={"class": "vTextField", "spellcheck": "false"})
        case _:
            attrs = {"rows": 4, "cols": 60, "spellcheck": "false", "placeholder": "JSON"}
            return forms.Textarea(attrs=attrs)


def choices_of(part: Mapping[str, Any]) -> list[str]:
    if part.get("type") == "boolean":
        return ["true", "false"]
    values = part.get("enum")
    if not isinstance(values, list):
        return []
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def argument_value(part: Any, text: str) -> Any:
    """What isn't a number stays a text, so that the schema says what is wrong with it.

    Raises NotPlainJson.
    """
    part = part if isinstance(part, Mapping) else {}
    values = part.get("enum")
    if isinstance(values, list) and text in choices_of(part):
        return values[choices_of(part).index(text)]
    match part.get("type"):
        case "string":
            return text
        case "integer" | "number":
            return number(text)
        case _:
            return read_plain_json(text)


def number(text: str) -> int | float | str:
    if re.fullmatch(r"-?\d{1,300}", text.strip(), re.ASCII):
        return int(text)
    try:
        value = float(text) if re.fullmatch(r"[-+0-9.eE]{1,300}", text.strip()) else math.inf
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def is_about(problem: str, name: str) -> bool:
    """`filters.status[0]: the value ...`, or `arguments: "workflow_id" is a required property`"""
    where = problem.partition(": ")[0]
    if where == "arguments":
        return f'"{name}" is a required' in problem
    return where == name or where.startswith((f"{name}.", f"{name}["))


# What is shown ------------------------------------------------------------------------------------


def views_of(outcome: Outcome) -> Iterator[dict[str, Any]]:
    yield view_of("Answer as it came", outcome.raw, pretty(outcome.raw))
    yield view_of("What the model sees", outcome.answer.text, pretty(outcome.answer.text))


def view_of(title: str, text: str, shown: str) -> dict[str, Any]:
    return {
        "title": title,
        "bytes": size_of(text),
        "tokens": estimated_tokens(text),
        "text": shown[:SHOWN_CHARACTERS],
        "is_cut": len(shown) > SHOWN_CHARACTERS,
    }


def pretty(text: str) -> str:
    """Indented where it's JSON."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
