"""Who signed in, with which client. The toolkit registers its own models' pages."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from oauth_bridge.models import User


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    list_display = ["username", "email", "propelauth_user_id", "is_active", "is_staff"]
    readonly_fields = ["propelauth_user_id"]
