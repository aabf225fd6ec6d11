from django.urls import path

from connect import views

app_name = "connect"

urlpatterns = [
    path("", views.home, name="home"),
    path("connect", views.page, name="page"),
    path("connect/sign-in", views.start_sign_in, name="sign-in"),
    path("connect/sign-out", views.sign_out, name="sign-out"),
    path("connect/api-keys", views.make_api_key, name="api-keys"),
    path("connect/api-keys/revoke", views.revoke_api_key, name="revoke-api-key"),
    path("connect/connections/end", views.end_connections, name="end-connections"),
]
