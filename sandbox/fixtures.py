"""Which people, organizations and credentials does the sandbox know?

Imported by tests and by whatever starts the sandbox; needs the standard library only. Every value
is derived from a label, so it's the same on every machine and opens nothing but a sandbox.
"""

from hashlib import sha384
from uuid import UUID


def _uuid4(label: str) -> str:
    """PropelAuth's SDKs send no request for an id that isn't a lower-case UUIDv4."""
    return str(UUID(bytes=sha384(label.encode()).digest()[:16], version=4))


def _secret(label: str) -> str:
    """96 hexadecimal digits, the first 32 of which are the credential's id."""
    return sha384(f"sandbox only: {label}".encode()).hexdigest()


PASSWORD = "sandbox"

# People. Everybody's password is PASSWORD.
ANA = _uuid4("ana@acme.test")
MAX = _uuid4("max@msp.test")
NORA = _uuid4("nora@nowhere.test")
GUS = _uuid4("gus@acme.test")
BEA = _uuid4("bea@acme.test")

ANA_EMAIL = "ana@acme.test"
MAX_EMAIL = "max@msp.test"
NORA_EMAIL = "nora@nowhere.test"
GUS_EMAIL = "gus@acme.test"
BEA_EMAIL = "bea@acme.test"

# Organizations at PropelAuth. FABRIKAM and TAILWIND have no members here: they're only seen by
# their managed service provider.
ACME = _uuid4("Acme Corp")
MSP = _uuid4("Orbit MSP")
NORTHWIND = _uuid4("Northwind Traders")
CONTOSO = _uuid4("Contoso Ltd")
FABRIKAM = _uuid4("Fabrikam Inc")
TAILWIND = _uuid4("Tailwind Toys")

# The same organizations as Wiv's tenants; an MSP's child is named by its tenant id.
TENANT_IDS = {
    ACME: "org_acme",
    MSP: "org_orbit",
    NORTHWIND: "org_northwind",
    CONTOSO: "org_contoso",
    FABRIKAM: "org_fabrikam",
    TAILWIND: "org_tailwind",
}
MSP_CUSTOMER_IDS = ("org_northwind", "org_fabrikam", "org_tailwind")

# PropelAuth's credentials.
BACKEND_API_KEY = _secret("backend API key")
CLIENT_SECRET = _secret("OAuth client")
CLIENT_ID = CLIENT_SECRET[:32]
INTROSPECTION_CLIENT_SECRET = _secret("introspection")
INTROSPECTION_CLIENT_ID = INTROSPECTION_CLIENT_SECRET[:32]
REDIRECT_URIS = (
    "http://127.0.0.1:8000/oauth/callback",
    "http://localhost:8000/oauth/callback",
)
SCOPES = ("wiv:use", "wiv:read", "wiv:write", "openid", "email", "profile", "offline_access")

CODE_LIFE_SECONDS = 60
ACCESS_TOKEN_LIFE_SECONDS = 5400
REFRESH_TOKEN_LIFE_SECONDS = 30 * 24 * 3600
SIGN_IN_LIFE_SECONDS = 600

# Wiv's data: the day on which the seeded story ends, and ids worth knowing, all of them Acme's.
TODAY = "2026-11-21"
MONTHLY_REPORT = "wf_7f3a"
ALWAYS_FAILS = "wf_0bad"
WAITS_FOR_APPROVAL = "wf_3a17"
FINANCE_FOLDER = "fld_1"
DEFAULT_SPACE = "spc_1"
RUNNING_EXECUTION = "exec_5eed00000001"
WAITING_EXECUTION = "exec_5eed00000002"
COMPLETED_EXECUTION = "exec_5eed00000003"
FAILED_EXECUTION = "exec_5eed00000004"
FIRST_CASE = "case_10001"

# A run or a generation moves one state on after each read of its status, and whenever the
# sandbox's clock has gone this far.
STATE_STEP_SECONDS = 300
SCROLL_LIFE_SECONDS = 600
# A prompt with this word in it ends as a FAILED generation.
FAILING_PROMPT_WORD = "impossible"


def environment(base_url: str) -> dict[str, str]:
    """The environment by which wivmcp finds the sandbox at `base_url` ("http://127.0.0.1:8001")."""
    return {
        "PROPELAUTH_AUTH_URL": base_url,
        "PROPELAUTH_BACKEND_URL": base_url,
        "PROPELAUTH_BACKEND_API_KEY": BACKEND_API_KEY,
        "PROPELAUTH_CLIENT_ID": CLIENT_ID,
        "PROPELAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "PROPELAUTH_INTROSPECTION_CLIENT_ID": INTROSPECTION_CLIENT_ID,
        "PROPELAUTH_INTROSPECTION_CLIENT_SECRET": INTROSPECTION_CLIENT_SECRET,
        "WIV_API_URL": f"{base_url}/wiv",
    }
