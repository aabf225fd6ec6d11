from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("oauth_bridge.urls")),
    path("", include("connect.urls")),
    path("admin/", admin.site.urls),
]
