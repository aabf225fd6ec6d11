"""How does an administrator make tools of an OpenAPI document, and follow a newer one?

Two pages: the document and where its requests go; then what it has, to pick from. In between the
document stays here in a row, and the picks are made of that, never of what a browser sent back.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from mcp_gateway.history import Cause, changing
from mcp_gateway.imports import (
    Candidate,
    Decision,
    ImportRefused,
    Pick,
    Plan,
    Status,
    apply_picks,
    base_url_of,
    make_plan,
)
from mcp_gateway.models import OpenApiDocument, Tool, Upstream
from mcp_gateway.openapi import MAX_DOCUMENT_BYTES, DocumentRefused

if TYPE_CHECKING:
    ToolModelAdmin = admin.ModelAdmin[Tool]
else:
    ToolModelAdmin = admin.ModelAdmin

UPLOAD_TEMPLATE = "admin/mcp_gateway/tool/import_openapi.html"
PICKS_TEMPLATE = "admin/mcp_gateway/tool/pick_operations.html"


class DocumentForm(forms.Form):
    """`read` has the document's text and the plan after `is_valid`."""

    upstream = forms.ModelChoiceField(
        Upstream.objects.order_by("title"),
        required=False,
        empty_label="Wiv",
        help_text="Where the tools' requests will go.",
    )
    file = forms.FileField(required=False, help_text="JSON or YAML, OpenAPI 3.0 or 3.1.")
    text = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 12, "cols": 80, "spellcheck": "false"}),
        help_text="Or the document itself, up to 60 KB; upload a longer one.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file, text = cleaned.get("file"), cleaned.get("text", "")
        if bool(file) == bool(text.strip()):
            raise forms.ValidationError("Upload a file or paste a document, one of the two.")
        cleaned["document"] = self._decoded(file) if file else text
        try:
            make_plan(cleaned["document"], cleaned.get("upstream"))
        except DocumentRefused as error:
            raise forms.ValidationError(str(error)) from error
        return cleaned

    def _decoded(self, file: Any) -> str:
        if file.size > MAX_DOCUMENT_BYTES:
            raise forms.ValidationError(
                f"The document is longer than {MAX_DOCUMENT_BYTES >> 20} MiB."
            )
        try:
            text: str = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise forms.ValidationError("The file isn't UTF-8 text.") from error
        return text


class OpenApiMixin(ToolModelAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "import-openapi/",
                view(self.upload_view),
                name="mcp_gateway_tool_import_openapi",
            ),
            path(
                "import-openapi/<uuid:pk>/",
                view(self.picks_view),
                name="mcp_gateway_tool_pick_operations",
            ),
            *super().get_urls(),
        ]

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        self._require_permission(request)
        form = DocumentForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            forget_old_documents()
            kept = OpenApiDocument.objects.create(
                user_id=key_of_user(request),
                upstream=form.cleaned_data["upstream"],
                text=form.cleaned_data["document"],
            )
            return HttpResponseRedirect(
                reverse("admin:mcp_gateway_tool_pick_operations", args=[kept.pk])
            )
        context = {"title": "Import from OpenAPI", "form": form}
        return self._page(request, UPLOAD_TEMPLATE, context)

    def picks_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        self._require_permission(request)
        forget_old_documents()
        kept = OpenApiDocument.objects.select_related("upstream").filter(
            pk=pk, user_id=key_of_user(request)
        )
        document = kept.first()
        if document is None:
            text = "This import has ended. Give the document again."
            self.message_user(request, text, messages.WARNING)
            return HttpResponseRedirect(reverse("admin:mcp_gateway_tool_import_openapi"))
        plan = make_plan(document.text, document.upstream)
        problems: dict[int, Any] = {}
        if request.method == "POST":
            try:
                return self._import(request, document, plan)
            except ImportRefused as refused:
                problems = dict(refused.problems)
                text = "Nothing was imported: see what is wrong with the marked operations."
                self.message_user(request, text, messages.ERROR)
        return self._page(request, PICKS_TEMPLATE, picks_context(request, plan, problems))

    def _import(self, request: HttpRequest, document: OpenApiDocument, plan: Plan) -> HttpResponse:
        picks = read_picks(request, plan)
        gone = {int(key) for key in request.POST.getlist("gone") if is_number(key)}
        with changing(cause=Cause.IMPORT, user=request.user), transaction.atomic():
            done = list(apply_picks(plan, picks, gone, plan.api.title))
            for tool, message in done:
                self.log_change(request, tool, message)
            document.delete()
        level = messages.SUCCESS if done else messages.WARNING
        text = f"{len(done)} tools were imported or changed. New ones are switched off."
        self.message_user(request, text if done else "Nothing was picked.", level)
        return HttpResponseRedirect(reverse("admin:mcp_gateway_tool_changelist"))

    def _require_permission(self, request: HttpRequest) -> None:
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.model._meta, **context}
        return TemplateResponse(request, template, context)


def key_of_user(request: HttpRequest) -> int:
    """The admin's own views know that somebody is signed in; types don't."""
    assert request.user.pk is not None
    return request.user.pk


def forget_old_documents() -> None:
    expired = timezone.now() - OpenApiDocument.LIFETIME
    OpenApiDocument.objects.filter(created_at__lt=expired).delete()


def picks_context(request: HttpRequest, plan: Plan, problems: dict[int, Any]) -> dict[str, Any]:
    """`problems` are those of the picks that were just refused, which stay picked."""
    picked = {*request.POST.getlist("pick")}
    groups = [
        ("New operations", plan.of(Status.NEW)),
        ("Operations whose name another tool has", plan.of(Status.CONFLICT)),
        ("Changed since the last import", plan.of(Status.CHANGED)),
    ]
    return {
        "title": f"Import from {plan.api.title}",
        "plan": plan,
        "same": plan.of(Status.SAME),
        "base_url": base_url_of(plan.upstream),
        "other_host": is_other_host(plan),
        "groups": [
            (heading, [row(request, each, picked, problems) for each in candidates])
            for heading, candidates in groups
            if candidates
        ],
    }


def row(
    request: HttpRequest, candidate: Candidate, picked: set[str], problems: dict[int, Any]
) -> dict[str, Any]:
    number = candidate.number
    return {
        "candidate": candidate,
        "fields": candidate.proposal.fields,
        "problems": [*problems.get(number, ()), *candidate.problems],
        "is_picked": str(number) in picked,
        "decision": request.POST.get(f"decision-{number}", "skip"),
        "name": request.POST.get(f"name-{number}", candidate.free_name),
    }


def is_other_host(plan: Plan) -> bool:
    try:
        documented = urlsplit(plan.api.server_url).netloc
    except ValueError:
        return False
    return bool(documented) and documented != urlsplit(base_url_of(plan.upstream)).netloc


def read_picks(request: HttpRequest, plan: Plan) -> dict[int, Pick]:
    """What isn't a choice that the page offers is no pick."""
    picked = {*request.POST.getlist("pick")}
    wants_all = "all" in request.POST
    picks: dict[int, Pick] = {}
    for candidate in plan.candidates:
        number = candidate.number
        decision = request.POST.get(f"decision-{number}")
        if candidate.status is Status.NEW and candidate.problems and wants_all:
            continue
        if candidate.status is Status.NEW and (wants_all or str(number) in picked):
            picks[number] = Pick(Decision.CREATE)
        elif candidate.status is Status.CHANGED and str(number) in picked:
            picks[number] = Pick(Decision.UPDATE)
        elif candidate.status is Status.CONFLICT and decision == Decision.RENAME:
            picks[number] = Pick(Decision.RENAME, request.POST.get(f"name-{number}", ""))
        elif (
            candidate.status is Status.CONFLICT
            and decision == Decision.UPDATE
            and candidate.may_update
        ):
            picks[number] = Pick(Decision.UPDATE)
    return picks


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
