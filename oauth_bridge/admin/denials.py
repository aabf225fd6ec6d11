"""Whom this server keeps out, whatever PropelAuth says."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest

from oauth_bridge.admin.records import AnyModelAdmin
from oauth_bridge.families import shut_out
from oauth_bridge.models import Denial
from oauth_bridge.secret import checksum

if TYPE_CHECKING:
    DenialModelForm = forms.ModelForm[Denial]
else:
    DenialModelForm = forms.ModelForm


class DenialForm(DenialModelForm):
    """An API key is typed in and kept as its checksum only."""

    value = forms.CharField(
        label="Id or API key",
        max_length=255,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Ids are those of PropelAuth. A key isn't stored; only a checksum of it is.",
    )

    class Meta:
        model = Denial
        fields = ("kind", "value", "reason")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("kind") == Denial.Kind.API_KEY and "value" in cleaned:
            cleaned["value"] = checksum(cleaned["value"])
        if Denial.objects.filter(kind=cleaned.get("kind"), value=cleaned.get("value")).exists():
            raise ValidationError("That one is denied already.")
        return cleaned


@admin.register(Denial)
class DenialAdmin(AnyModelAdmin):
    """Takes effect with the next request; deleting the row lets them in again."""

    form = DenialForm
    list_display = ("kind", "whom", "reason", "created")
    list_filter = ("kind", "created")
    search_fields = ("value", "reason")

    @admin.display(description="Id")
    def whom(self, denial: Denial) -> str:
        return "" if denial.kind == Denial.Kind.API_KEY else denial.value

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ("kind", "whom", "reason", "created") if obj else ("kind", "value", "reason")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        kinds = Denial.Kind
        if obj.kind == kinds.USER:
            shut_out(user__username=obj.value)
        elif obj.kind == kinds.ORGANIZATION:
            shut_out(organization_id=obj.value)
