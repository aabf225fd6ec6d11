"""What can be wrong between this server and its upstreams: each problem's id, name and remedy.

docs/operations.md has the same table, and a test compares the two.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`UNKNOWN`: it couldn't be found out."""

    WARNS = "warns"
    UNKNOWN = "unknown"
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Problem:
    id: str
    severity: Severity
    title: str
    remedy: str


# --- PropelAuth: the way there -------------------------------------------------------------------

PROPELAUTH_SILENT = Problem(
    "U001",
    Severity.UNKNOWN,
    "PropelAuth doesn't answer",
    "Check PROPELAUTH_AUTH_URL and PROPELAUTH_BACKEND_URL, the name in DNS and the firewall; where "
    "it answers 429 or 5xx, ask again in a minute.",
)
PROPELAUTH_CERTIFICATE = Problem(
    "U002",
    Severity.FAILS,
    "PropelAuth's TLS certificate isn't valid here",
    "Check the host in PROPELAUTH_AUTH_URL, this machine's clock, and what sits between.",
)
PROPELAUTH_UNCLEAR = Problem(
    "U003",
    Severity.UNKNOWN,
    "PropelAuth's answer isn't understood",
    "Check that PROPELAUTH_AUTH_URL is the tenant's auth URL, without a path; then report what was "
    "seen: the tenant may speak otherwise than this version knows.",
)

# --- PropelAuth: the MCP feature -----------------------------------------------------------------

MCP_OFF = Problem(
    "U011",
    Severity.FAILS,
    "MCP authentication is switched off",
    "Switch it on in PropelAuth's dashboard, in the environment that PROPELAUTH_AUTH_URL names.",
)
NOT_THE_METADATA = Problem(
    "U012",
    Severity.FAILS,
    "PropelAuth's metadata lacks what a sign-in needs",
    "PROPELAUTH_AUTH_URL must be the tenant's auth URL; its metadata has the endpoints below "
    "/oauth/2.1, and PKCE with S256.",
)
ANOTHER_ISSUER = Problem(
    "U013",
    Severity.WARNS,
    "PropelAuth calls itself by another URL",
    "Set PROPELAUTH_AUTH_URL to the URL that its metadata names, unless both are meant to work.",
)
CALLBACK_REFUSED = Problem(
    "U014",
    Severity.FAILS,
    "The callback isn't allowed",
    "Add {PUBLIC_URL}/oauth/callback to the OAuth client, and under MCP, Allowed MCP Clients, "
    "letter by letter.",
)
CALLBACK_UNSEEN = Problem(
    "U015",
    Severity.UNKNOWN,
    "PropelAuth doesn't show whether the callback is allowed",
    "Sign in once on /connect; or compare it in the dashboard with {PUBLIC_URL}/oauth/callback.",
)
AUTHORIZATION_REFUSED = Problem(
    "U016",
    Severity.FAILS,
    "PropelAuth refuses the authorization request",
    "invalid_client: check PROPELAUTH_CLIENT_ID. invalid_scope: make the scope of PROPELAUTH_SCOPE "
    "in the dashboard, or leave it empty.",
)
CLIENT_REFUSED = Problem(
    "U017",
    Severity.FAILS,
    "PropelAuth refuses the OAuth client",
    "Copy PROPELAUTH_CLIENT_ID and PROPELAUTH_CLIENT_SECRET anew from the dashboard.",
)
INTROSPECTION_REFUSED = Problem(
    "U018",
    Severity.FAILS,
    "PropelAuth refuses the introspection credentials",
    "Copy PROPELAUTH_INTROSPECTION_CLIENT_ID and _SECRET anew from MCP, Request Validation; the "
    "OAuth client's are others.",
)
SECRET_UNPROVEN = Problem(
    "U019",
    Severity.UNKNOWN,
    "PropelAuth answers a wrong secret as it answers ours",
    "So this proves nothing about ours. Sign in once on /connect.",
)

# --- PropelAuth: what introspection says ---------------------------------------------------------

TOKEN_INACTIVE = Problem(
    "U021",
    Severity.FAILS,
    "The token isn't active",
    "Take a fresh access token of the tenant's MCP feature; JWTs and API keys are none.",
)
NO_USER_ID = Problem(
    "U022",
    Severity.FAILS,
    "Introspection doesn't say which user it is",
    "`sub` must be a PropelAuth user id. Ask PropelAuth how the tenant can be set so.",
)
ANOTHER_AUDIENCE = Problem(
    "U023",
    Severity.FAILS,
    "The token is for another resource",
    "Ask for it with resource={PUBLIC_URL}/mcp. If it was, PUBLIC_URL isn't what PropelAuth knows.",
)
NO_ORGANIZATION = Problem(
    "U024",
    Severity.WARNS,
    "Introspection names no organization",
    "Nothing to do: who has several chooses on a page of this server.",
)
NO_AUDIENCE = Problem(
    "U025",
    Severity.WARNS,
    "Introspection names no audience",
    "Nothing to do here; that a token is meant for this server isn't checked then.",
)

# --- PropelAuth: the backend API -----------------------------------------------------------------

BACKEND_KEY_REFUSED = Problem(
    "U031",
    Severity.FAILS,
    "PropelAuth refuses the backend API key",
    "Copy PROPELAUTH_BACKEND_API_KEY anew; each environment of PropelAuth has keys of its own.",
)
NO_API_KEYS = Problem(
    "U032",
    Severity.FAILS,
    "PropelAuth has no API keys for organizations",
    "Switch on organizations, and API key authentication for them, in the dashboard.",
)

# --- Wiv -----------------------------------------------------------------------------------------

WIV_SILENT = Problem(
    "U041",
    Severity.UNKNOWN,
    "Wiv doesn't answer",
    "Check WIV_API_URL, the name in DNS and the firewall; where it answers 429 or 5xx, ask again "
    "in a minute.",
)
WIV_CERTIFICATE = Problem(
    "U042",
    Severity.FAILS,
    "Wiv's TLS certificate isn't valid here",
    "Check the host in WIV_API_URL, this machine's clock, and what sits between.",
)
NOT_WIV = Problem(
    "U043",
    Severity.FAILS,
    "This isn't how Wiv's API answers",
    "WIV_API_URL must be the base of Wiv's REST API: a wrong key is 401 there, and GET /spaces is "
    "JSON.",
)
WIV_TAKES_ANY_KEY = Problem(
    "U044",
    Severity.FAILS,
    "Wiv takes a key that nobody made",
    "WIV_API_URL leads to something that asks for no key; look at what answers there.",
)
WIV_KEY_REFUSED = Problem(
    "U045",
    Severity.FAILS,
    "Wiv refuses the key",
    "Take a live Wiv API key, of the environment that WIV_API_URL names.",
)

PROBLEMS = tuple(value for value in list(globals().values()) if isinstance(value, Problem))
