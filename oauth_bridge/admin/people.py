"""People and staff: who they are, and how somebody's access is ended."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest

from oauth_bridge.families import shut_out
from oauth_bridge.models import User

if TYPE_CHECKING:
    from django.forms import ModelForm


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    list_display = ["username", "email", "propelauth_user_id", "is_active", "is_staff"]
    actions = ["end_access"]
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
            shut_out(user=obj)

    @admin.action(
        description="End everything they are signed in to, and delete their keys",
        permissions=["change"],
    )
    def end_access(self, request: HttpRequest, users: "QuerySet[User]") -> None:
        """They may sign in again; unticking Active keeps them out."""
        ended = sum(shut_out(user=user) for user in users)
        for user in users:
            self.log_change(request, user, "Access ended.")
        self.message_user(request, f"{ended} sign-ins ended.", messages.SUCCESS)
