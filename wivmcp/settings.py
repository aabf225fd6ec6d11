"""Every setting, read from the environment here and nowhere else.

Each one states its unit, its default and why it exists; `docs/settings.md` lists the same set and a
test compares the two. Secrets have no default: a missing one stops the process with its name.
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from environs import Env

from telemetry.logs import principal_key

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where this server lives ---------------------------------------------------------------------

# The one URL clients use, without a trailing slash. The issuer, every absolute URL and the cookie
# flags follow it and never the request: TLS usually ends at a proxy.
PUBLIC_URL: str = env.str("PUBLIC_URL").rstrip("/")
_public = urlsplit(PUBLIC_URL)
_https = _public.scheme == "https"

# Further host names this server answers to, such as an internal balancer name.
ALLOWED_HOSTS: list[str] = [_public.hostname or "", *env.list("ALLOWED_HOSTS", default=[])]

# Web origins other than our own whose pages may call the MCP and OAuth endpoints (CORS), for
# browser-based clients such as MCP Inspector. "http://localhost:6274" style, no trailing slash.
ALLOWED_ORIGINS: list[str] = env.list("ALLOWED_ORIGINS", default=[])

# How many proxies in front of us append to X-Forwarded-For (App Runner: 1). 0 ignores the header.
TRUSTED_PROXY_COUNT: int = env.int("TRUSTED_PROXY_COUNT", default=0)

# How long a client may take to send a request, and how long it may leave an answer unread.
SLOW_CLIENT_TIMEOUT: timedelta = env.timedelta("SLOW_CLIENT_TIMEOUT", default=timedelta(seconds=30))
# Open connections of a worker, SSE streams and idle ones included.
MAX_CONNECTIONS: int = env.int("MAX_CONNECTIONS", default=4000)

# --- Django --------------------------------------------------------------------------------------

DEBUG: bool = env.bool("DEBUG", default=False)
SECRET_KEY: str = env.str("SECRET_KEY")
# Former ones, newest first: sessions that they signed go on, so that nobody is signed out.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
DATABASES = {
    "default": dj_database_url.parse(
        env.str("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'wivmcp.sqlite3'}"),
        # Under ASGI each request has a thread of its own, so a connection kept by its thread
        # would leak; on PostgreSQL the pool below keeps them instead.
        conn_max_age=0,
        conn_health_checks=True,
    )
}
# Connections to PostgreSQL a worker keeps at most.
DATABASE_POOL_SIZE: int = env.int("DATABASE_POOL_SIZE", default=20)
_database_options = DATABASES["default"].setdefault("OPTIONS", {})
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "wivmcp.postgresql"
    _database_options["pool"] = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
    # Seconds and milliseconds until a host that doesn't answer any more counts as gone; without
    # them the kernel's patience is a quarter of an hour.
    _database_options |= {"connect_timeout": 3, "tcp_user_timeout": 10_000}
else:
    # IMMEDIATE takes the write lock at BEGIN, so that two writers queue instead of failing with
    # "database is locked" half-way; WAL lets readers go on meanwhile.
    _database_options |= {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "oauth2_provider",
    "oauth_bridge",
    "mcp_gateway",
    "connect",
]
MIDDLEWARE = [
    "wivmcp.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "oauth_bridge.cors.CorsMiddleware",
    "oauth_bridge.events.EventMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "wivmcp.admin_input.AdminInputMiddleware",
    "mcp_gateway.history.ActorMiddleware",
    "connect.watching.WatchMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "wivmcp.urls"
ASGI_APPLICATION = "wivmcp.asgi.application"
# The OAuth endpoints have no trailing slash, and a redirect would turn a POST into a GET.
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
# The folder `collectstatic` fills, as when an image is built. Empty, as in a checkout: whitenoise
# looks into the apps at each request.
STATIC_ROOT: str | None = env.str("STATIC_ROOT", default="") or None
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = STATIC_ROOT is None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- People and sessions -------------------------------------------------------------------------

AUTH_USER_MODEL = "oauth_bridge.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",  # staff, at /admin
    "oauth_bridge.backends.PropelAuthBackend",  # everybody else; never staff
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/connect"
LOGIN_REDIRECT_URL = "/admin/"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    # For client secrets, which are random: see the class.
    "oauth_bridge.hashers.RandomSecretHasher",
]
# A __Host- cookie can't be set by a sibling host or over plain http; browsers refuse the prefix
# without Secure, so it follows the public scheme.
SESSION_COOKIE_NAME = "__Host-session" if _https else "session"
SESSION_COOKIE_SECURE = _https
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrf" if _https else "csrf"
CSRF_COOKIE_SECURE = _https
CSRF_COOKIE_HTTPONLY = True
# Behind a TLS proxy the request looks like http while the browser's Origin says https.
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]

# --- Response headers ----------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
# "no-referrer" would make browsers send `Origin: null` with our own forms, which CSRF refuses.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Seconds of HSTS; only sent when PUBLIC_URL is https.
SECURE_HSTS_SECONDS: int = env.int("HSTS_SECONDS", default=31_536_000) if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https
SECURE_HSTS_PRELOAD = _https
if TRUSTED_PROXY_COUNT:
    # Without it every request looks like http, and Django sends no HSTS.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# TLS ends at the proxy, which also redirects http to https; see `ssl_redirect` in docs/settings.md.
SECURE_SSL_REDIRECT = False
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # the redirect to https is the proxy's
    # `http` redirect URIs must stay possible for loopback clients (RFC 8252 §7.3); registration
    # refuses them for every other host.
    "oauth2_provider.W008",
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        # No form-action: Chromium applies it to the redirect that follows a form's POST, and the
        # consent form's POST is answered by a redirect to PropelAuth.
    }
}

# --- Upstream: PropelAuth ------------------------------------------------------------------------

# The tenant's auth URL, e.g. https://auth.example.com
PROPELAUTH_AUTH_URL: str = env.str("PROPELAUTH_AUTH_URL").rstrip("/")
# Where the backend API is; PropelAuth serves it on the auth URL too.
PROPELAUTH_BACKEND_URL: str = env.str("PROPELAUTH_BACKEND_URL", default=PROPELAUTH_AUTH_URL).rstrip(
    "/"
)
PROPELAUTH_BACKEND_API_KEY: str = env.str("PROPELAUTH_BACKEND_API_KEY")
# The confidential OAuth client we are towards PropelAuth, with {PUBLIC_URL}/oauth/callback allowed.
PROPELAUTH_CLIENT_ID: str = env.str("PROPELAUTH_CLIENT_ID")
PROPELAUTH_CLIENT_SECRET: str = env.str("PROPELAUTH_CLIENT_SECRET")
# PropelAuth's "Request Validation" credentials, separate from the client's.
PROPELAUTH_INTROSPECTION_CLIENT_ID: str = env.str("PROPELAUTH_INTROSPECTION_CLIENT_ID")
PROPELAUTH_INTROSPECTION_CLIENT_SECRET: str = env.str("PROPELAUTH_INTROSPECTION_CLIENT_SECRET")
# Scope to ask PropelAuth for; empty for none (scopes must be configured in its dashboard).
PROPELAUTH_SCOPE: str = env.str("PROPELAUTH_SCOPE", default="")
# Seconds for one request to PropelAuth.
PROPELAUTH_TIMEOUT: timedelta = env.timedelta("PROPELAUTH_TIMEOUT", default=timedelta(seconds=5))

# --- Upstream: Wiv -------------------------------------------------------------------------------

WIV_API_URL: str = env.str("WIV_API_URL", default="https://api.wiv.ai").rstrip("/")
# Seconds for one tool call, further attempts included, unless its row says otherwise. 110 at most:
# App Runner cuts requests at 120 s.
WIV_TIMEOUT: timedelta = env.timedelta("WIV_TIMEOUT", default=timedelta(seconds=30))
# Bytes of a Wiv answer that are read at most.
WIV_MAX_RESPONSE_BYTES: int = env.int("WIV_MAX_RESPONSE_BYTES", default=4 * 1024 * 1024)
# Requests of one tool that a worker has under way at most, so that a tool that hangs can't take all
# of the 200 connections.
WIV_CALLS_PER_TOOL: int = env.int("WIV_CALLS_PER_TOOL", default=20)

# --- Tokens --------------------------------------------------------------------------------------

# "api_key": the access token is a PropelAuth end-user API key. "opaque": it is a random string and
# the key stays here, encrypted. docs/security.md says what each means.
ACCESS_TOKEN_KIND: str = env.str("ACCESS_TOKEN_KIND", default="api_key")
# A day for an API key, which costs PropelAuth a key each time; an hour for an opaque token.
ACCESS_TOKEN_LIFETIME: timedelta = env.timedelta(
    "ACCESS_TOKEN_LIFETIME", default=timedelta(hours=24)
)
OPAQUE_TOKEN_LIFETIME: timedelta = env.timedelta(
    "OPAQUE_TOKEN_LIFETIME", default=timedelta(hours=1)
)
# Sliding: each refresh starts it anew, up to the absolute cap below.
REFRESH_TOKEN_LIFETIME: timedelta = env.timedelta(
    "REFRESH_TOKEN_LIFETIME", default=timedelta(days=30)
)
REFRESH_TOKEN_MAX_LIFETIME: timedelta = env.timedelta(
    "REFRESH_TOKEN_MAX_LIFETIME", default=timedelta(days=180)
)
# Two refreshes with one token inside this window both succeed (parallel windows of one client).
REFRESH_TOKEN_GRACE: timedelta = env.timedelta("REFRESH_TOKEN_GRACE", default=timedelta(seconds=60))
AUTHORIZATION_CODE_LIFETIME: timedelta = env.timedelta(
    "AUTHORIZATION_CODE_LIFETIME", default=timedelta(seconds=60)
)
# While PropelAuth is away, opaque tokens may be refreshed without it, until this long after the
# last token it was asked about ended: many clients sign their user out when /token fails once. The
# key behind such a token lives as much longer.
OUTAGE_TOLERANCE: timedelta = env.timedelta("OUTAGE_TOLERANCE", default=timedelta(hours=4))
# From our consent page to PropelAuth's answer.
SIGN_IN_LIFETIME: timedelta = env.timedelta("SIGN_IN_LIFETIME", default=timedelta(minutes=10))
# Seconds /token keeps trying to mint a key before it answers 503; no client retries /token itself.
KEY_MINTING_PATIENCE: timedelta = env.timedelta(
    "KEY_MINTING_PATIENCE", default=timedelta(seconds=10)
)
# Life of a key made on /connect.
CONNECT_API_KEY_LIFETIME: timedelta = env.timedelta(
    "CONNECT_API_KEY_LIFETIME", default=timedelta(days=90)
)
# Credentials users bring themselves: Wiv API keys, and PropelAuth JWTs.
ACCEPT_API_KEYS: bool = env.bool("ACCEPT_API_KEYS", default=True)
ACCEPT_PROPELAUTH_JWTS: bool = env.bool("ACCEPT_PROPELAUTH_JWTS", default=True)
# How long PropelAuth's verdict on such a credential is believed. At most 60 s.
CREDENTIAL_VERDICT_LIFETIME: timedelta = env.timedelta(
    "CREDENTIAL_VERDICT_LIFETIME", default=timedelta(seconds=60)
)
# Credentials somebody brings that PropelAuth may refuse, per minute and address (a /64 of IPv6);
# after that it isn't asked any more. Tokens we issued aren't counted.
CREDENTIAL_REFUSALS_PER_MINUTE: int = env.int("CREDENTIAL_REFUSALS_PER_MINUTE", default=30)
# Registrations at /register, per hour. Everybody behind one address shares the first; those whose
# redirect URIs all belong to a known vendor's cloud, whose addresses its users share, the second.
REGISTRATIONS_PER_ADDRESS: int = env.int("REGISTRATIONS_PER_ADDRESS", default=60)
REGISTRATIONS_PER_VENDOR: int = env.int("REGISTRATIONS_PER_VENDOR", default=1000)
# Sign-ins that are begun from one address, per hour. Everybody in an office shares it.
SIGN_INS_PER_ADDRESS: int = env.int("SIGN_INS_PER_ADDRESS", default=300)
# Attempts to sign in at /admin/, per quarter of an hour: from one address, and at one account from
# browsers that nobody has signed in with there before.
ADMIN_LOGINS_PER_ADDRESS: int = env.int("ADMIN_LOGINS_PER_ADDRESS", default=20)
ADMIN_LOGINS_PER_ACCOUNT: int = env.int("ADMIN_LOGINS_PER_ACCOUNT", default=50)
# A registered client nobody signed in with, and one nobody is signed in with any more, are deleted
# after this long.
UNUSED_CLIENT_LIFETIME: timedelta = env.timedelta(
    "UNUSED_CLIENT_LIFETIME", default=timedelta(days=7)
)
IDLE_CLIENT_LIFETIME: timedelta = env.timedelta("IDLE_CLIENT_LIFETIME", default=timedelta(days=90))
# How long security events stay on record.
SECURITY_EVENT_RETENTION: timedelta = env.timedelta(
    "SECURITY_EVENT_RETENTION", default=timedelta(days=400)
)
# Of one connection; 0 for no limit. Beyond the first two it waits, and is paused when it doesn't;
# beyond the third, calls of one tool with the same arguments within five minutes, it is paused.
# Tools that only read may be repeated five times as often.
CALLS_PER_MINUTE: int = env.int("CALLS_PER_MINUTE", default=240)
WRITES_PER_MINUTE: int = env.int("WRITES_PER_MINUTE", default=30)
REPEATED_CALLS: int = env.int("REPEATED_CALLS", default=10)
# For how long a call that needs its user's approval waits for it, and an approval for its call.
APPROVAL_LIFETIME: timedelta = env.timedelta("APPROVAL_LIFETIME", default=timedelta(minutes=15))
# How long tool calls stay in the call log, and how long the daily counts made of them.
CALL_LOG_RETENTION: timedelta = env.timedelta("CALL_LOG_RETENTION", default=timedelta(days=90))
CALL_COUNT_RETENTION: timedelta = env.timedelta("CALL_COUNT_RETENTION", default=timedelta(days=400))
# Regular expressions, without a comma: the value of an argument whose name has one of them in it
# isn't written to the call log. Lower and upper case are the same.
CALL_LOG_REDACTED: list[str] = env.list(
    "CALL_LOG_REDACTED",
    default=["password", "passwd", "secret", "token", "api_?key", "authorization", "credential"],
)
# Fernet keys, newest first: the first encrypts, all decrypt. Separate from SECRET_KEY so that each
# can be rotated alone.
ENCRYPTION_KEYS: list[str] = env.list("ENCRYPTION_KEYS")

# --- The MCP endpoints ---------------------------------------------------------------------------

MCP_MAX_BODY_BYTES: int = env.int("MCP_MAX_BODY_BYTES", default=1024 * 1024)
# Of every request, also to Django's pages.
MCP_MAX_HEADER_BYTES: int = env.int("MCP_MAX_HEADER_BYTES", default=32 * 1024)
# Arguments of one tool call, as JSON: what a model writes by hand is far shorter.
MAX_ARGUMENT_BYTES: int = env.int("MAX_ARGUMENT_BYTES", default=256 * 1024)
# Requests to the MCP endpoints that one person in an organization has under way in a worker; 0 for
# no limit. Assistants send a few at once, and a call may last 110 s.
CONCURRENT_REQUESTS: int = env.int("CONCURRENT_REQUESTS", default=32)
# Open streams (/sse) of one person in all workers together, and of one worker. An idle one takes
# some 40 KB of memory.
SSE_STREAMS_PER_USER: int = env.int("SSE_STREAMS_PER_USER", default=20)
SSE_STREAMS_PER_WORKER: int = env.int("SSE_STREAMS_PER_WORKER", default=2000)
# No stream is open longer; it ends earlier when nothing is under way, and its client opens another.
# App Runner cuts a request at 120 s, whatever is under way. 0 for no limit.
SSE_STREAM_LIFETIME: timedelta = env.timedelta(
    "SSE_STREAM_LIFETIME", default=timedelta(seconds=110)
)
# How long a 2026-07-28 client may reuse tools/list; short, because a tool can be switched off.
MCP_TOOLS_LIST_TTL: timedelta = env.timedelta("MCP_TOOLS_LIST_TTL", default=timedelta(seconds=30))
# Tools on one page of tools/list. Some clients read the first page only, so it's generous.
TOOLS_PER_PAGE: int = env.int("TOOLS_PER_PAGE", default=500)
# Estimated tokens that the definitions a client lists may take before the admin warns.
TOOLS_TOKEN_BUDGET: int = env.int("TOOLS_TOKEN_BUDGET", default=15_000)
# Bytes of an answer that a model gets to see, unless the tool's row says otherwise; what is longer
# is cut between rows. Claude Code takes 25,000 tokens, Claude.ai 150,000 characters: at three bytes
# of JSON a token this is 22,000, notes included.
ANSWER_MAX_BYTES: int = env.int("ANSWER_MAX_BYTES", default=64 * 1024)
# Forms and JSON posted to pages and OAuth endpoints, in bytes; files for the admin aren't counted.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

# --- The authorization server (django-oauth-toolkit) ---------------------------------------------

OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth_bridge.Application"
OAUTH2_PROVIDER_GRANT_MODEL = "oauth_bridge.Grant"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "oauth_bridge.AccessToken"
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "oauth_bridge.RefreshToken"
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "oauth_bridge.IDToken"
# Scope -> what the consent page says it allows. Writing includes reading.
SCOPES: dict[str, str] = {
    "wiv:read": "See your workflows, runs, cases and spaces",
    "wiv:write": "Change, run and stop workflows for you",
}
OAUTH2_PROVIDER = {
    "OIDC_ISS_ENDPOINT": PUBLIC_URL,
    "SCOPES": SCOPES,
    "DEFAULT_SCOPES": list(SCOPES),
    # Only the code and refresh grants exist: stock, anyone may register a client and take a token
    # with client_credentials.
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.WebApplicationServer",
    "OAUTH2_VALIDATOR_CLASS": "oauth_bridge.validator.Validator",
    "ACCESS_TOKEN_GENERATOR": "oauth_bridge.minting.generate_access_token",
    "REFRESH_TOKEN_GENERATOR": "oauth_bridge.minting.generate_refresh_token",
    "ACCESS_TOKEN_EXPIRE_SECONDS": int(ACCESS_TOKEN_LIFETIME.total_seconds()),
    "REFRESH_TOKEN_EXPIRE_SECONDS": int(REFRESH_TOKEN_LIFETIME.total_seconds()),
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": int(AUTHORIZATION_CODE_LIFETIME.total_seconds()),
    "PKCE_REQUIRED": True,
    # The validator does this itself, with a grace period; the deploy checks look for it here.
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOW_LOCALHOST_LOOPBACK": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http"],
    "CLIENT_SECRET_HASHER": "random_secret",
    # MCP 2026-07-28's first choice; off, clients register themselves at /register.
    "CIMD_ENABLED": env.bool("CLIENT_DOCUMENTS", default=True),
    "CIMD_METADATA_FETCHER": "oauth_bridge.client_documents.DocumentFetcher",
    "CIMD_FETCH_TIMEOUT_SECONDS": 3,
    "CIMD_MAX_DOCUMENT_SIZE": 16 * 1024,
    "DCR_ENABLED": True,
    "DCR_REGISTRATION_PERMISSION_CLASSES": ["oauth2_provider.dcr.AllowAllDCRPermission"],
    "OAUTH2_GRANT_TYPES_SUPPORTED": ["authorization_code", "refresh_token"],
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": [
        "none",
        "client_secret_post",
        "client_secret_basic",
    ],
    "APPLICATION_ADMIN_CLASS": "oauth_bridge.admin.ApplicationAdmin",
    "GRANT_ADMIN_CLASS": "oauth_bridge.admin.GrantAdmin",
    "ACCESS_TOKEN_ADMIN_CLASS": "oauth_bridge.admin.AccessTokenAdmin",
    "REFRESH_TOKEN_ADMIN_CLASS": "oauth_bridge.admin.RefreshTokenAdmin",
    "ID_TOKEN_ADMIN_CLASS": "oauth_bridge.admin.UnusedAdmin",
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
}

# --- Logs ----------------------------------------------------------------------------------------

LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO")
# "json" for machines, an object a line; "text" for people.
LOG_FORMAT: str = env.str("LOG_FORMAT", default="text" if DEBUG else "json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {
            "()": "telemetry.logs.JsonFormatter",
            "principal_key": principal_key(SECRET_KEY),
        },
    },
    "filters": {
        "clients_fault": {"()": "wivmcp.logs.ClientsFault"},
        "harmless_paths": {"()": "wivmcp.logs.HarmlessPaths"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            # Anything but the two is refused by a check, and must not stop the log.
            "formatter": "text" if LOG_FORMAT == "text" else "json",
            "filters": ["clients_fault", "harmless_paths"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # INFO there is a line or more for each request, with URLs that hold codes and states.
        "mcp": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "httpcore2": {"level": "WARNING"},
        "oauthlib": {"level": "WARNING"},
        "oauth2_provider": {"level": "WARNING"},
        # DEBUG there has what is sent to the collector and to the error tracker.
        "urllib3": {"level": "INFO"},
        # Its lines hold query strings, and those hold authorization codes.
        "uvicorn.access": {"level": "CRITICAL"},
    },
}

# --- Metrics, traces, errors ---------------------------------------------------------------------

# What Prometheus has to send to read /metrics. Empty: nothing is counted, and the answer is 404.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
# The base URL of a collector that takes OTLP over HTTP, e.g. http://collector:4318, and headers it
# wants, "name=value" separated by commas. Empty: nothing is traced.
OTEL_EXPORTER_OTLP_ENDPOINT: str = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="").rstrip("/")
OTEL_EXPORTER_OTLP_HEADERS: dict[str, str] = env.dict("OTEL_EXPORTER_OTLP_HEADERS", default={})
OTEL_SERVICE_NAME: str = env.str("OTEL_SERVICE_NAME", default="wivmcp")
# The share of traces that is recorded, from 0 to 1.
OTEL_TRACES_SAMPLER_ARG: float = env.float("OTEL_TRACES_SAMPLER_ARG", default=1.0)
# A project's address at Sentry or what speaks like it. Empty: errors are in the log only.
SENTRY_DSN: str = env.str("SENTRY_DSN", default="")
# What errors of this installation are filed under.
SENTRY_ENVIRONMENT: str = env.str("SENTRY_ENVIRONMENT", default="production")
if OTEL_EXPORTER_OTLP_ENDPOINT:
    MIDDLEWARE.insert(
        MIDDLEWARE.index("wivmcp.health.HealthMiddleware") + 1, "wivmcp.tracing.SpanMiddleware"
    )
