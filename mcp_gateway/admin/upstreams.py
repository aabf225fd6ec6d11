"""How does an administrator keep the APIs beside Wiv's, and our credentials there?

A credential goes in and never comes out: the page shows that there is one. It stays with the host
it was typed for, since whoever may change the address could else have it sent to a host of theirs.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from mcp_gateway.models import Upstream
from oauth_bridge.credentials import Secret

if TYPE_CHECKING:
    UpstreamModelAdmin = admin.ModelAdmin[Upstream]
    UpstreamModelForm = forms.ModelForm[Upstream]
else:
    UpstreamModelAdmin = admin.ModelAdmin
    UpstreamModelForm = forms.ModelForm


class UpstreamForm(UpstreamModelForm):
    credential = forms.CharField(
        required=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text='The header\'s whole value, like "Bearer ...". Empty keeps the one there is.',
    )
    forget_credential = forms.BooleanField(required=False)

    class Meta:
        model = Upstream
        fields = ("name", "title", "base_url", "credential_header")

    def clean_credential(self) -> str:
        value: str = self.cleaned_data["credential"]
        if not all(" " <= character <= "~" for character in value):
            raise ValidationError("A header holds printable ASCII only.")
        return value

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        typed, forget = cleaned.get("credential"), cleaned.get("forget_credential")
        if typed and forget:
            raise ValidationError("Type a credential or forget the one there is, not both.")
        keeps = bool(self.instance.encrypted_credential) and not typed and not forget
        if keeps and "base_url" in cleaned and self._leads_elsewhere(cleaned["base_url"]):
            raise ValidationError(
                {"credential": "The credential was typed for another host. Type it again."}
            )
        if (typed or keeps) and not cleaned.get("credential_header"):
            raise ValidationError({"credential_header": "Say which header holds the credential."})
        return cleaned

    def _leads_elsewhere(self, base_url: str) -> bool:
        before = Upstream.objects.get(pk=self.instance.pk).base_url
        return origin_of(before) != origin_of(base_url)


@admin.register(Upstream)
class UpstreamAdmin(UpstreamModelAdmin):
    form = UpstreamForm
    list_display = ("title", "base_url", "credential_state", "tool_count")
    readonly_fields = ("credential_state",)
    search_fields = ("name", "title", "base_url")
    fieldsets = (
        (None, {"fields": ("name", "title", "base_url")}),
        (
            "Our credential there",
            {
                "fields": (
                    "credential_header",
                    "credential_state",
                    "credential",
                    "forget_credential",
                )
            },
        ),
    )

    @admin.display(description="Credential")
    def credential_state(self, upstream: Upstream) -> str:
        return "set, never shown" if upstream.encrypted_credential else "none"

    @admin.display(description="Tools")
    def tool_count(self, upstream: Upstream) -> int:
        return upstream.tools.count()

    def get_fieldsets(self, request: HttpRequest, obj: Upstream | None = None) -> Any:
        """Who may only look gets no fields to type into, and Django asks the model for each."""
        if obj is not None and not self.has_change_permission(request, obj):
            return ((None, {"fields": ("name", "title", "base_url", "credential_header")}),)
        return self.fieldsets

    def save_model(self, request: HttpRequest, obj: Upstream, form: Any, change: bool) -> None:
        if typed := form.cleaned_data["credential"]:
            obj.credential = Secret(typed)
        elif form.cleaned_data["forget_credential"]:
            obj.credential = None
        super().save_model(request, obj, form, change)


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
