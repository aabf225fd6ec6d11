"""The record of security events, and a way to take it along."""

from django.contrib import admin

from oauth_bridge.admin.records import RecordAdmin
from oauth_bridge.models import SecurityEvent


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
    fields = (
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
