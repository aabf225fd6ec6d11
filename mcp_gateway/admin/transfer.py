"""How does an administrator take the catalog along, and bring one?

An import is two steps: the file, and the page with its differences, which is confirmed. Between
them the file waits in the session: as a hidden field it would be larger than Django lets a form be.
"""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from mcp_gateway.differences import Difference, difference
from mcp_gateway.models import Tool, ToolQuerySet
from mcp_gateway.transfer import (
    MAX_FILE_BYTES,
    CatalogChanged,
    FileRefused,
    Imported,
    Plan,
    Row,
    ToolChange,
    apply,
    export,
    may_go,
    plan,
    read_file,
)

if TYPE_CHECKING:
    ToolModelAdmin = admin.ModelAdmin[Tool]
else:
    ToolModelAdmin = admin.ModelAdmin

PENDING = "catalog_import"
# The file, and what a form puts around it.
MAX_REQUEST_BYTES = MAX_FILE_BYTES + 64 * 1024


class ImportForm(forms.Form):
    file = forms.FileField(required=False, help_text="As the export gives it.")
    text = forms.CharField(
        required=False,
        strip=False,
        label="Or its text",
        widget=forms.Textarea(attrs={"rows": 12, "class": "import-text", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if bool(data.get("file")) == bool(data.get("text")):
            raise forms.ValidationError("Choose a file, or paste its text.")
        return data

    def content(self) -> bytes:
        file = self.cleaned_data["file"]
        text: str = self.cleaned_data["text"]
        return bytes(file.read()) if file else text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Item:
    """One tool on the page with the differences."""

    change: ToolChange

    @property
    def difference(self) -> Difference:
        return difference(self.change.before, self.change.after)


class TransferMixin(ToolModelAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("export/", view(self.export_view), name="mcp_gateway_tool_export"),
            path(
                "import/",
                view(csrf_exempt(self.import_view)),  # which asks for the token itself
                name="mcp_gateway_tool_import",
            ),
            path("import/review/", view(self.review_view), name="mcp_gateway_tool_import_review"),
            path(
                "import/confirm/",
                view(require_POST(self.confirm_view)),
                name="mcp_gateway_tool_import_confirm",
            ),
            *super().get_urls(),
        ]

    # Out

    def export_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return as_file(export())

    @admin.action(description="Export selected tools as JSON", permissions=["view"])
    def export_selected(self, request: HttpRequest, tools: ToolQuerySet) -> HttpResponse:
        return as_file(export(tools))

    # In

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Looks at the size first: reading the token would read the body."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_REQUEST_BYTES:
            return self.form_page(
                request, refused(f"A catalog may have {MAX_FILE_BYTES // 1024} KiB."), 413
            )
        try:
            _ = request.POST
        except RequestDataTooBig:
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024
            return self.form_page(
                request, refused(f"Text may have {limit} KiB. Bring it as a file instead."), 413
            )
        answer: HttpResponse = csrf_protect(self.receive)(request)
        return answer

    def receive(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return self.form_page(request, ImportForm())
        form = ImportForm(request.POST, request.FILES)
        if form.is_valid():
            content = form.content()
            try:
                read_file(content)
            except FileRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                text = content.decode("utf-8-sig")
                request.session[PENDING] = {"key": secrets.token_urlsafe(8), "text": text}
                return HttpResponseRedirect(reverse("admin:mcp_gateway_tool_import_review"))
        return self.form_page(request, form)

    def form_page(self, request: HttpRequest, form: ImportForm, status: int = 200) -> HttpResponse:
        context = self.page_context(request, form=form, max_kib=MAX_FILE_BYTES // 1024)
        template = "admin/mcp_gateway/tool/import.html"
        return TemplateResponse(request, template, context, status=status)

    def review_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        pending = request.session.get(PENDING)
        if pending is None:
            return self.back_to_form(request, "There is no file to import.")
        found = plan(parts_of(pending))
        context = self.page_context(
            request,
            plan=found,
            key=pending["key"],
            added=[Item(change) for change in found.added],
            changed=[Item(change) for change in found.changed],
            deletable=[tool for tool in found.gone if self.may_delete(request, tool)],
            staying=[tool for tool in found.gone if not self.may_delete(request, tool)],
            missing=missing_permissions(request, found),
        )
        return TemplateResponse(request, "admin/mcp_gateway/tool/import_review.html", context)

    def confirm_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        pending = request.session.get(PENDING)
        if pending is None or pending["key"] != request.POST.get("key"):
            return self.back_to_form(
                request, "Nothing was imported: another file was brought since, or this one is in."
            )
        parts = parts_of(pending)
        if missing_permissions(request, plan(parts)):
            raise PermissionDenied
        review = reverse("admin:mcp_gateway_tool_import_review")
        try:
            with transaction.atomic():
                delete = self.ticked(request, parts)
                imported = apply(parts, request.POST.get("version", ""), delete)
        except CatalogChanged:
            message = (
                "Nothing was imported: the catalog has changed since. This is what is new now."
            )
            self.message_user(request, message, messages.ERROR)
            return HttpResponseRedirect(review)
        except FileRefused as refusal:
            self.message_user(request, f"Nothing was imported: {refusal}", messages.ERROR)
            return HttpResponseRedirect(review)
        del request.session[PENDING]
        self.log_import(request, imported)
        return HttpResponseRedirect(reverse("admin:mcp_gateway_tool_changelist"))

    def ticked(self, request: HttpRequest, parts: dict[str, list[Row]]) -> list[int]:
        """Logged here, because afterwards the rows are gone."""
        keys = {int(pk) for pk in request.POST.getlist("delete") if pk.isdecimal()}
        brought = [row.get("name") for row in parts["tools"]]
        tools = Tool.objects.filter(pk__in=keys).exclude(name__in=brought)
        delete = [tool.pk for tool in tools if self.may_delete(request, tool)]
        if delete:
            self.log_deletions(request, tools.filter(pk__in=delete))
        return delete

    def may_delete(self, request: HttpRequest, tool: Tool) -> bool:
        return may_go(tool) and self.has_delete_permission(request, tool)

    def log_import(self, request: HttpRequest, imported: Imported) -> None:
        for tool in imported.added:
            self.log_addition(request, tool, "Imported.")
        for tool in imported.changed:
            self.log_change(request, tool, "Imported.")
        counts = (len(imported.added), len(imported.changed), len(imported.deleted))
        self.message_user(
            request,
            "Imported: {} added, {} changed, {} deleted.".format(*counts),
            messages.SUCCESS,
        )

    def back_to_form(self, request: HttpRequest, message: str) -> HttpResponse:
        self.message_user(request, message, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:mcp_gateway_tool_import"))

    def page_context(self, request: HttpRequest, **context: Any) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": "Import a catalog",
            "opts": self.opts,
            **context,
        }


def refused(message: str) -> ImportForm:
    form = ImportForm({})
    form.is_valid()
    form.errors.clear()
    form.add_error(None, message)
    return form


def parts_of(pending: dict[str, str]) -> dict[str, list[Row]]:
    return read_file(pending["text"].encode())


def missing_permissions(request: HttpRequest, found: Plan) -> list[str]:
    needed = {
        "add_tool": bool(found.added),
        "add_upstream": bool(found.upstreams),
        "change_formername": bool(found.former_names),
    }
    return [
        name
        for name, is_needed in needed.items()
        if is_needed and not request.user.has_perm(f"mcp_gateway.{name}")
    ]


def as_file(text: str) -> HttpResponse:
    return HttpResponse(
        text,
        content_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="tools.json"'},
    )
