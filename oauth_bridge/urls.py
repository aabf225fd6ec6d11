"""Exactly these paths, without trailing slash: some clients use them without reading metadata."""

from django.urls import path, re_path

from oauth_bridge import metadata, views
from oauth_bridge.registration import RegistrationView
from oauth_bridge.resources import RESOURCE_PATH

app_name = "oauth2_provider"  # the toolkit reverses these names

urlpatterns = [
    path("authorize", views.AuthorizeView.as_view(), name="authorize"),
    path("oauth/callback", views.callback, name="callback"),
    path("oauth/organization/<uuid:pk>", views.OrganizationView.as_view(), name="organization"),
    path("token", views.TokenView.as_view(), name="token"),
    path("register", RegistrationView.as_view(), name="dcr-register"),
    path("revoke", views.RevokeTokenView.as_view(), name="revoke-token"),
    path(
        ".well-known/oauth-authorization-server",
        metadata.authorization_server,
        name="oauth-server-metadata",
    ),
    path(".well-known/oauth-authorization-server/<path:suffix>", metadata.authorization_server),
    path(".well-known/openid-configuration", metadata.authorization_server),
    path(".well-known/openid-configuration/<path:suffix>", metadata.authorization_server),
    path(
        ".well-known/oauth-protected-resource",
        metadata.protected_resource,
        name="oauth-resource-metadata",
    ),
    path(".well-known/oauth-protected-resource/<path:suffix>", metadata.protected_resource),
    re_path(
        rf"^(?P<suffix>{RESOURCE_PATH})/\.well-known/oauth-protected-resource$",
        metadata.protected_resource,
    ),
    re_path(
        rf"^(?P<suffix>{RESOURCE_PATH})/\.well-known/openid-configuration$",
        metadata.authorization_server,
    ),
    re_path(
        rf"^(?P<suffix>{RESOURCE_PATH})/\.well-known/oauth-authorization-server$",
        metadata.authorization_server,
    ),
    re_path(rf"^(?:{RESOURCE_PATH}/)?\.well-known/(?P<suffix>[\s\S]*)$", metadata.unknown_metadata),
]
