"""AI clients: who registered, who is signed in with which, and how one is kept out."""

from typing import Any, cast
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.db.models import Count, IntegerField, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone

from oauth_bridge.admin.records import AnyModelAdmin, RecordAdmin
from oauth_bridge.cleanup import deletable_clients
from oauth_bridge.families import revoke_access
from oauth_bridge.models import AccessToken, Application, PrivateUseScheme, RefreshToken


class ApplicationAdmin(RecordAdmin):
    """AI clients, most of which registered themselves; one with a fixed id can be added."""

    list_display = (
        "name",
        "registration_source",
        "redirect_hosts",
        "software_id",
        "registered_from",
        "people",
        "live_tokens",
        "created",
        "last_used_at",
        "blocked_at",
    )
    list_filter = (
        "registration_source",
        "token_endpoint_auth_method",
        ("blocked_at", admin.EmptyFieldListFilter),
        ("last_used_at", admin.EmptyFieldListFilter),
        "created",
    )
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
        "last_used_at",
        "blocked_at",
    )
    date_hierarchy = "created"
    actions = ("block", "unblock", "end_access", "delete_unused", "export_csv")

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
        now = timezone.now()
        rows: QuerySet[Any] = super().get_queryset(request)
        signed_in = RefreshToken.objects.filter(revoked=None, expires__gt=now)
        tokens = AccessToken.objects.filter(expires__gt=now)
        counts = {"people": counted(signed_in, "user"), "live_tokens": counted(tokens, "pk")}
        return cast("QuerySet[Any]", rows.annotate(**counts))

    @admin.display(description="Signed in", ordering="people")
    def people(self, application: Any) -> int:
        return int(application.people)

    @admin.display(description="Live tokens", ordering="live_tokens")
    def live_tokens(self, application: Any) -> int:
        return int(application.live_tokens)

    @admin.display(description="Returns to")
    def redirect_hosts(self, application: Application) -> str:
        hosts = (urlsplit(uri).netloc or uri for uri in application.redirect_uris.split())
        return ", ".join(sorted(set(hosts)))

    def chosen(self, applications: "QuerySet[Application]") -> "QuerySet[Application]":
        """Without the list's counts, which an UPDATE can't have."""
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

    @admin.action(description="Delete those nobody is signed in with", permissions=["change"])
    def delete_unused(self, request: HttpRequest, applications: "QuerySet[Application]") -> None:
        """Without waiting for their time to be up. Blocked ones stay, or they'd come back."""
        unused = deletable_clients().filter(pk__in=self.chosen(applications))
        for application in unused:
            self.log_deletions(request, Application.objects.filter(pk=application.pk))
        deleted = unused.count()
        unused.delete()
        self.message_user(request, f"{deleted} clients deleted.", messages.SUCCESS)


@admin.register(PrivateUseScheme)
class PrivateUseSchemeAdmin(AnyModelAdmin):
    """Taken from the list, a scheme ends no access; nobody is sent to it from then on."""

    list_display = ("scheme", "application", "created")
    search_fields = ("scheme", "application")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["scheme"] if obj else []


def counted(rows: "QuerySet[Any]", field: str) -> Coalesce:
    """How many different `field`s an application's rows have; a join for each would multiply."""
    mine = rows.filter(application=OuterRef("pk")).order_by().values("application")
    number = mine.annotate(number=Count(field, distinct=True)).values("number")
    return Coalesce(Subquery(number, output_field=IntegerField()), 0)
