from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from oauth_bridge import admin_login

admin.site.site_header = admin.site.site_title = "Wiv MCP server"

urlpatterns = [
    path("", include("oauth_bridge.urls")),
    path("", include("connect.urls")),
    path("admin/login/", admin_login.login),  # before the admin's own
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(url="/admin/")),  # as people type it
    # Browsers ask for it on the admin's pages and wherever an answer isn't HTML.
    path("favicon.ico", RedirectView.as_view(url="/static/oauth_bridge/mark.svg", permanent=True)),
]
handler500 = "wivmcp.failures.server_error"
