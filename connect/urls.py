from django.urls import path

from connect import api_keys, approvals, attempts, connections, views

app_name = "connect"

urlpatterns = [
    path("", views.home, name="home"),
    path("connect", views.page, name="page"),
    path("connect/sign-in", views.start_sign_in, name="sign-in"),
    path("connect/sign-out", views.sign_out, name="sign-out"),
    path("connect/api-keys", api_keys.make_api_key, name="api-keys"),
    path("connect/api-keys/revoke", api_keys.revoke_api_key, name="revoke-api-key"),
    path("connect/connections/end", connections.end_connections, name="end-connections"),
    path("connect/connections/resume", connections.resume_connection, name="resume-connection"),
    path("connect/approvals/<uuid:pk>", approvals.approval, name="approval"),
    path("connect/attempts", attempts.begin_attempt, name="attempts"),
    path("connect/attempts/current", attempts.current_attempt, name="current-attempt"),
    path("connect/attempts/end", attempts.end_attempt, name="end-attempt"),
]
