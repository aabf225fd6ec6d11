"""Who sees a tool, and what becomes of a name that is gone?"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from mcp_gateway.models import Availability, FormerName, Tool

if TYPE_CHECKING:
    AvailabilityTabularInline = admin.TabularInline[Availability, Tool]
    FormerNameModelAdmin = admin.ModelAdmin[FormerName]
else:
    AvailabilityTabularInline = admin.TabularInline
    FormerNameModelAdmin = admin.ModelAdmin


class AvailabilityInline(AvailabilityTabularInline):
    """Exceptions belong to the tool: whoever may change it may change them."""

    model = Availability
    extra = 0
    verbose_name_plural = "Exceptions to the switch"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("mcp_gateway.view_tool") or self._may_change(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_change(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_change(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_change(request)

    def _may_change(self, request: HttpRequest) -> bool:
        return request.user.has_perm("mcp_gateway.change_tool")


@admin.register(FormerName)
class FormerNameAdmin(FormerNameModelAdmin):
    list_display = ("name", "tool", "note")
    search_fields = ("name", "tool__name", "note")
    list_select_related = ("tool",)
    autocomplete_fields = ("tool",)
