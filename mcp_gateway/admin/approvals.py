"""Calls that waited for their user, what was decided and by whom. What they held isn't shown."""

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from mcp_gateway.approvals.models import Approval, ApprovalQuerySet

if TYPE_CHECKING:
    ApprovalModelAdmin = admin.ModelAdmin[Approval]
else:
    ApprovalModelAdmin = admin.ModelAdmin


@admin.register(Approval)
class ApprovalAdmin(ApprovalModelAdmin):
    list_display = (
        "created_at",
        "tool",
        "client_name",
        "subject",
        "organization_id",
        "state",
        "decided_at",
        "decided_by",
    )
    list_filter = ("status", "created_at", "tool")
    search_fields = ("id", "tool", "subject", "organization_id", "client_id", "used_by")
    ordering = ("-created_at",)
    actions = ("reject",)

    @admin.display(description="State", ordering="status")
    def state(self, approval: Approval) -> str:
        return approval.state.label

    @admin.action(description="Reject the selected calls", permissions=["change"])
    def reject(self, request: HttpRequest, approvals: ApprovalQuerySet) -> None:
        """Those that wait, or were approved and not used yet. Nobody approves for another."""
        rejected = {
            "status": Approval.Status.REJECTED,
            "decided_at": timezone.now(),
            "decided_by": request.user.get_username(),
        }
        rows = list(approvals.open())
        count = 0
        for row in rows:
            if approvals.open().filter(pk=row.pk).update(**rejected):
                self.log_change(request, row, "Rejected.")
                count += 1
        self.message_user(request, f"{count} rejected. Nothing of them is sent.", messages.SUCCESS)

    def get_readonly_fields(self, request: HttpRequest, obj: Approval | None = None) -> list[str]:
        hidden = ("encrypted_call", "before_hash")
        return [f.name for f in Approval._meta.concrete_fields if f.name not in hidden]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Approval | None = None) -> bool:
        return False
