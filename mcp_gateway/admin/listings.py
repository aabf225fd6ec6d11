"""Which clients are connected, and who still goes by an old list?"""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from mcp_gateway.models import CatalogVersion, Listing

if TYPE_CHECKING:
    ListingModelAdmin = admin.ModelAdmin[Listing]
else:
    ListingModelAdmin = admin.ModelAdmin


class StaleFilter(admin.SimpleListFilter):
    title = "list"
    parameter_name = "list"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("current", "current"), ("old", "old")]

    def queryset(
        self, request: HttpRequest, queryset: "QuerySet[Listing]"
    ) -> "QuerySet[Listing] | None":
        current = {"version": CatalogVersion.current()}
        match self.value():
            case "current":
                return queryset.filter(**current)
            case "old":
                return queryset.exclude(**current)
        return queryset


@admin.register(Listing)
class ListingAdmin(ListingModelAdmin):
    list_display = (
        "client_name",
        "subject",
        "organization_id",
        "path",
        "tools",
        "listed_at",
        "is_current",
    )
    list_filter = (StaleFilter, "path", "listed_at")
    search_fields = ("client_name", "client_id", "subject", "organization_id")

    @admin.display(description="Current", boolean=True)
    def is_current(self, listing: Listing) -> bool:
        return listing.version == CatalogVersion.current()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Listing | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Listing | None = None) -> bool:
        return False
