"""Who may call, and how is that ended? Registrations, sign-ins, keys and people.

Everything is to be read, and little to be changed: a row is what happened. Ending access goes
through `families` and `outbox`, so that the API key behind it is deleted at PropelAuth too. No page
shows a token, a key or a hash of one.
"""

import csv
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import models
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from oauth_bridge import outbox
from oauth_bridge.families import revoke_access
from oauth_bridge.models import (
    Application,
    Consent,
    EndUserApiKey,
    PrivateUseScheme,
    SecurityEvent,
    User,
)

if TYPE_CHECKING:
    from django.forms import ModelForm

    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin


class RecordAdmin(AnyModelAdmin):
    """Read-only, but for actions, which need the permission to change."""

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


class ApplicationAdmin(RecordAdmin):
    """AI clients, most of which registered themselves; one with a fixed id can be added."""

    list_display = (
        "name",
        "registration_source",
        "redirect_hosts",
        "people",
        "created",
        "last_registered_at",
        "blocked_at",
    )
    list_filter = ("registration_source", ("blocked_at", admin.EmptyFieldListFilter), "created")
    search_fields = ("name", "client_id", "redirect_uris", "software_id", "registered_from")
    fields = (
        "name",
        "client_id",
        "registration_source",
        "token_endpoint_auth_method",
        "redirect_uris",
        "software_id",
        "software_version",
        "registered_from",
        "created",
        "last_registered_at",
        "blocked_at",
    )
    actions = ("block", "unblock", "end_access")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fields if obj else ("name", "client_id", "redirect_uris")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return super().get_readonly_fields(request, obj) if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A public client: an id that somebody types into an assistant keeps no secret."""
        obj.client_type = Application.CLIENT_PUBLIC
        obj.authorization_grant_type = Application.GRANT_AUTHORIZATION_CODE
        obj.client_secret, obj.hash_client_secret = "", False
        super().save_model(request, obj, form, change)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        live = Q(refreshtoken__revoked=None, refreshtoken__expires__gt=timezone.now())
        rows: QuerySet[Any] = super().get_queryset(request)
        people = Count("refreshtoken__user", filter=live, distinct=True)
        return cast("QuerySet[Any]", rows.annotate(people=people))

    @admin.display(description="Signed in", ordering="people")
    def people(self, application: Any) -> int:
        return int(application.people)

    @admin.display(description="Returns to")
    def redirect_hosts(self, application: Application) -> str:
        hosts = (urlsplit(uri).netloc or uri for uri in application.redirect_uris.split())
        return ", ".join(sorted(set(hosts)))

    def chosen(self, applications: "QuerySet[Application]") -> "QuerySet[Application]":
        """Without the list's count of people, which an UPDATE can't have."""
        return Application.objects.filter(pk__in=[each.pk for each in applications])

    @admin.action(description="Block, and end everybody's access", permissions=["change"])
    def block(self, request: HttpRequest, applications: "QuerySet[Application]") -> None:
        chosen = self.chosen(applications)
        chosen.update(blocked_at=timezone.now())
        ended = revoke_access(application__in=chosen)
        self.note(request, chosen, f"Blocked; {ended} sign-ins ended.")

    @admin.action(description="Unblock", permissions=["change"])
    def unblock(self, request: HttpRequest, applications: "QuerySet[Application]") -> None:
        chosen = self.chosen(applications)
        chosen.update(blocked_at=None)
        self.note(request, chosen, "Unblocked.")

    @admin.action(description="End everybody's access", permissions=["change"])
    def end_access(self, request: HttpRequest, applications: "QuerySet[Application]") -> None:
        ended = revoke_access(application__in=self.chosen(applications))
        self.note(request, applications, f"{ended} sign-ins ended.")


@admin.register(PrivateUseScheme)
class PrivateUseSchemeAdmin(AnyModelAdmin):
    """Taken from the list, a scheme ends no access; nobody is sent to it from then on."""

    list_display = ("scheme", "application", "created")
    search_fields = ("scheme", "application")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["scheme"] if obj else []


EVENT_FIELDS = (
    "at",
    "event",
    "user_email",
    "client_id",
    "client_name",
    "organization_id",
    "token_family",
    "address",
    "user_agent",
    "reason",
    "reference",
)
TOKEN_COLUMNS = ("user", "application", "organization_id", "scope", "created", "expires")


class TokenAdmin(RecordAdmin):
    """Sign-ins by their tokens: who, with which client, in which organization, until when."""

    search_fields = ("user__email", "application__name", "organization_id", "token_family")
    list_select_related = ("user", "application")
    date_hierarchy = "created"
    actions = ("end_sign_in",)

    @admin.action(description="End these sign-ins", permissions=["change"])
    def end_sign_in(self, request: HttpRequest, tokens: "QuerySet[Any]") -> None:
        chosen = list(tokens)
        ended = revoke_access(token_family__in=[token.token_family for token in chosen])
        self.message_user(request, f"{ended} sign-ins ended.", messages.SUCCESS)
        for token in chosen:
            self.log_change(request, token, "Sign-in ended.")


class AccessTokenAdmin(TokenAdmin):
    list_display = (*TOKEN_COLUMNS, "kind")
    list_filter = ("created", "expires", "kind")
    fields = (
        "user",
        "application",
        "organization_id",
        "kind",
        "scope",
        "resource",
        "token_family",
        "api_key",
        "created",
        "expires",
    )


class RefreshTokenAdmin(TokenAdmin):
    list_display = (*TOKEN_COLUMNS, "rotated_at", "revoked")
    list_filter = ("created", "expires", ("revoked", admin.EmptyFieldListFilter))
    fields = (
        "user",
        "application",
        "organization_id",
        "scope",
        "resource",
        "token_family",
        "family_started",
        "created",
        "expires",
        "rotated_at",
        "revoked",
    )


@admin.register(EndUserApiKey)
class EndUserApiKeyAdmin(RecordAdmin):
    list_display = ("api_key_id", "purpose", "user", "organization_id", "expires", "revoked_at")
    list_filter = ("purpose", ("revoked_at", admin.EmptyFieldListFilter), "expires")
    search_fields = ("api_key_id", "user__email", "organization_id", "name", "token_family")
    list_select_related = ("user",)
    fields = (
        "api_key_id",
        "purpose",
        "name",
        "user",
        "organization_id",
        "application",
        "token_family",
        "created",
        "expires",
        "revoked_at",
    )
    actions = ("revoke",)

    @admin.action(description="Revoke, and end the sign-ins that use them", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: "QuerySet[EndUserApiKey]") -> None:
        families = [key.token_family for key in keys if key.token_family]
        revoke_access(token_family__in=families)
        outbox.revoke_keys(EndUserApiKey.objects.filter(pk__in=[key.pk for key in keys]))
        outbox.deliver_soon()
        self.note(request, keys, "Revoked.")


@admin.register(Consent)
class ConsentAdmin(RecordAdmin):
    list_display = ("created", "user", "application", "organization_name", "scope", "redirect_uri")
    list_filter = ("created",)
    search_fields = ("user__email", "application__name", "organization_name", "redirect_uri")
    list_select_related = ("user", "application")
    date_hierarchy = "created"
    fields = (
        "user",
        "application",
        "organization_name",
        "organization_id",
        "scope",
        "resource",
        "redirect_uri",
        "token_family",
        "created",
    )


@admin.register(SecurityEvent)
class SecurityEventAdmin(RecordAdmin):
    """What happened to somebody's access, and a way to take it along."""

    list_display = (
        "at",
        "event",
        "user_email",
        "client_name",
        "organization_id",
        "address",
        "reason",
    )
    list_filter = ("event", "at")
    search_fields = (
        "user_email",
        "client_id",
        "client_name",
        "organization_id",
        "token_family",
        "address",
        "reason",
        "reference",
    )
    date_hierarchy = "at"
    fields = EVENT_FIELDS
    actions = ("export_csv",)

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, events: "QuerySet[SecurityEvent]") -> HttpResponse:
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="security-events.csv"'
        writer = csv.writer(response)
        writer.writerow(EVENT_FIELDS)
        for event in events.order_by("pk").iterator():
            writer.writerow(spreadsheet_safe(str(getattr(event, name))) for name in EVENT_FIELDS)
        return response


def spreadsheet_safe(value: str) -> str:
    """Spreadsheets run what begins so; a client chooses its own name."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    list_display = ["username", "email", "propelauth_user_id", "is_active", "is_staff"]
    search_fields = ["username", "email", "propelauth_user_id"]
    readonly_fields = ["propelauth_user_id"]
    fieldsets = (
        *DjangoUserAdmin.fieldsets,  # type: ignore[misc]
        ("PropelAuth", {"fields": ["propelauth_user_id"]}),
    )

    def save_model(
        self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool
    ) -> None:
        """Deactivating somebody ends their access, keys at PropelAuth included."""
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data and not form.cleaned_data["is_active"]:
            revoke_access(user=obj)
            outbox.revoke_keys(EndUserApiKey.objects.filter(user_id=obj.pk))
            outbox.deliver_soon()
