"""Sign-ins by what they left: codes, tokens, keys, and what somebody agreed to."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from oauth_bridge import outbox
from oauth_bridge.admin.records import RecordAdmin
from oauth_bridge.families import revoke_access, shut_out
from oauth_bridge.models import Consent, EndUserApiKey

WHOSE = ("user__email", "application__name", "organization_id", "token_family")
TOKEN_COLUMNS = ("user", "application", "organization_id", "scope", "created", "expires")


class SignInAdmin(RecordAdmin):
    """Rows of a sign-in: whose, with which client, in which organization, until when."""

    search_fields: ClassVar[list[str] | tuple[str, ...]] = WHOSE
    list_select_related = ("user", "application")
    date_hierarchy = "created"
    actions = ("end_sign_in", "shut_organization_out", "export_csv")

    @admin.action(description="End these sign-ins", permissions=["change"])
    def end_sign_in(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        chosen = list(rows)
        ended = revoke_access(token_family__in=[row.token_family for row in chosen])
        self.message_user(request, f"{ended} sign-ins ended.", messages.SUCCESS)
        for row in chosen:
            self.log_change(request, row, "Sign-in ended.")

    @admin.action(
        description="End everybody's access in these organizations, and delete their keys",
        permissions=["change"],
    )
    def shut_organization_out(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        """They may sign in again; a denial keeps them out."""
        organizations = {row.organization_id for row in rows}
        ended = sum(shut_out(organization_id=each) for each in organizations)
        self.message_user(request, f"{ended} sign-ins ended.", messages.SUCCESS)
        for row in rows:
            self.log_change(request, row, f"Organization {row.organization_id} shut out.")


class AccessTokenAdmin(SignInAdmin):
    list_display = (*TOKEN_COLUMNS, "kind", "last_used_at")
    list_filter = ("kind", "created", "expires", "last_used_at")
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
        "last_used_at",
    )


class RefreshTokenAdmin(SignInAdmin):
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


class GrantAdmin(SignInAdmin):
    """Authorization codes, by whose they are."""

    list_display = (*TOKEN_COLUMNS, "consumed_at")
    list_filter = ("created", ("consumed_at", admin.EmptyFieldListFilter))
    fields = (
        "user",
        "application",
        "organization_id",
        "scope",
        "resource",
        "redirect_uri",
        "token_family",
        "created",
        "expires",
        "consumed_at",
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
    date_hierarchy = "created"
    actions = ("revoke", "export_csv")

    @admin.action(description="Revoke, and end the sign-ins that use them", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: "QuerySet[EndUserApiKey]") -> None:
        families = [key.token_family for key in keys if key.token_family]
        revoke_access(token_family__in=families)
        outbox.revoke_keys(EndUserApiKey.objects.filter(pk__in=[key.pk for key in keys]))
        outbox.deliver_soon()
        self.note(request, keys, "Revoked.")


@admin.register(Consent)
class ConsentAdmin(SignInAdmin):
    list_display = (
        "created",
        "user",
        "application",
        "organization_name",
        "scope",
        "redirect_uri",
        "last_used_at",
        "is_in_force",
    )
    list_filter = ("created", "last_used_at", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = (*WHOSE, "organization_name", "redirect_uri")
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
        "last_used_at",
        "ended_at",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Consent]":
        in_force = Exists(Consent.objects.in_force().filter(pk=OuterRef("pk")))
        rows: QuerySet[Consent] = super().get_queryset(request)
        return rows.annotate(in_force=in_force)

    @admin.display(description="In force", boolean=True, ordering="in_force")
    def is_in_force(self, consent: Any) -> bool:
        return bool(consent.in_force)

    @admin.action(description="Revoke, and end the sign-ins they began", permissions=["change"])
    def end_sign_in(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        super().end_sign_in(request, rows)
