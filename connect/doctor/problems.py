"""What can be wrong with a deployment: each problem's stable id, name and remedy.

docs/operations.md has the same table, and a test compares the two.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    id: str
    title: str
    remedy: str


# --- The way there -------------------------------------------------------------------------------

UNREACHABLE = Problem(
    "D001",
    "Nothing answers",
    "Check the name in DNS, the port, the firewall, and that the server runs.",
)
CERTIFICATE = Problem(
    "D002",
    "The TLS certificate isn't valid",
    "Install a certificate of a public authority for this host name, with its intermediates.",
)
CERTIFICATE_ENDS = Problem(
    "D003", "The TLS certificate ends within 14 days", "Renew it, and find out why nothing did."
)
PLAIN_HTTP = Problem(
    "D004",
    "The URL is plain http",
    "Put TLS in front, and the https URL into PUBLIC_URL.",
)
PRIVATE_ADDRESS = Problem(
    "D005",
    "The vendor's cloud can't reach this address",
    "These clients connect from their vendor's servers: give the deployment a public address, or "
    "leave them out with --client.",
)
NO_ANSWER = Problem(
    "D006",
    "A request gets no answer of the server",
    "Look at the proxy's log and the server's at this moment; compare the proxy's time limits.",
)
HOST_REFUSED = Problem(
    "D007",
    "The server doesn't know the Host it is asked for",
    "Let the proxy pass Host on unchanged, or add what it sends to ALLOWED_HOSTS.",
)
CLOCK = Problem(
    "D008",
    "The server's clock and this machine's differ",
    "Set both by NTP: codes, tokens and certificates have a beginning and an end.",
)
NOT_READY = Problem(
    "D009",
    "The server says that it isn't ready",
    "Do what /readyz names: start the database, or run script/release.",
)

# --- The first request ---------------------------------------------------------------------------

NO_401 = Problem(
    "D011",
    "The first request without a credential isn't answered 401",
    "Let GET, HEAD and POST through to the server unchanged; no other answer begins a sign-in.",
)
REDIRECT = Problem(
    "D012",
    "The MCP endpoint redirects",
    "Serve /mcp and /mcp/ alike, without a redirect; look for a rule in the proxy that adds or "
    "removes a trailing slash.",
)
NO_CHALLENGE = Problem(
    "D013",
    "The 401 has no WWW-Authenticate",
    "Let the proxy pass the header WWW-Authenticate on.",
)
BARE_CHALLENGE = Problem(
    "D014",
    "The challenge doesn't say where the resource metadata is",
    "Let the proxy pass WWW-Authenticate on unchanged, resource_metadata included.",
)
NO_SCOPE = Problem(
    "D015",
    "The challenge names no scope",
    "Let the proxy pass WWW-Authenticate on unchanged; clients ask for the scope it names.",
)
NO_AUTHORIZATION = Problem(
    "D016",
    "The Authorization header doesn't reach the server",
    "Let the proxy pass Authorization on; a login of its own in front keeps every client out.",
)

# --- Resource metadata ---------------------------------------------------------------------------

MISSING_METADATA = Problem(
    "D021",
    "Resource metadata isn't where it is looked for first",
    "Let everything under /.well-known/ through to the server, with whatever follows.",
)
OTHER_RESOURCE = Problem(
    "D022",
    "The resource metadata is for another URL than the one typed",
    "PUBLIC_URL must be what people type, and each endpoint needs its own document: /mcp, /mcp/, "
    "/sse. Most clients compare byte by byte.",
)
NOT_JSON = Problem(
    "D023",
    "Metadata isn't JSON",
    "Let everything under /.well-known/ through to the server; no page of the proxy or of a "
    "website may answer there.",
)
METADATA_REDIRECT = Problem(
    "D024",
    "Metadata is behind a redirect",
    "Serve everything under /.well-known/ at the place where it is asked for.",
)
HTTP_URLS = Problem(
    "D025",
    "Metadata names http URLs on an https deployment",
    "Put the https URL into PUBLIC_URL; and let no proxy rewrite bodies or headers.",
)
OTHER_HOST = Problem(
    "D026",
    "Metadata names another host",
    "Put the URL that people type into PUBLIC_URL, and restart.",
)
HTML_404 = Problem(
    "D027",
    "What isn't there is answered with a page instead of JSON",
    "Let everything under /.well-known/ through to the server: clients probe there and read JSON.",
)

# --- Authorization server metadata ---------------------------------------------------------------

NO_SERVER_METADATA = Problem(
    "D031",
    "There is no usable authorization server metadata",
    "Let /.well-known/oauth-authorization-server through to the server.",
)
ISSUER = Problem(
    "D032",
    "The issuer isn't the URL its metadata was found under",
    "PUBLIC_URL must be the origin alone, without a trailing slash (RFC 8414 section 3.3).",
)
NO_S256 = Problem(
    "D033",
    "PKCE with S256 isn't advertised",
    "Serve the server's own metadata: clients must refuse to go on (OAuth 2.1).",
)
NO_PUBLIC_CLIENTS = Problem(
    "D034",
    "Public clients (`none`) aren't advertised",
    "Serve the server's own metadata; clients with a metadata document register instead.",
)
ISS_NOT_ADVERTISED = Problem(
    "D035",
    "`iss` in authorization responses isn't advertised",
    "Serve the server's own metadata; without it these clients use one redirect URI a server.",
)
NO_CLIENT_DOCUMENTS = Problem(
    "D036",
    "Client metadata documents aren't taken",
    "Set CLIENT_DOCUMENTS=true, unless the server has no way out to fetch them.",
)
NO_REGISTRATION = Problem(
    "D037",
    "There is no registration endpoint",
    "Serve the server's own metadata; these clients have no other way to become known.",
)

# --- Becoming known, signing in ------------------------------------------------------------------

REGISTRATION_REFUSED = Problem(
    "D041",
    "The registration is refused",
    "Allow the client's redirect URIs: its scheme at /admin/, Private-use URI schemes. A web "
    "application firewall may also dislike URIs in a body.",
)
OTHER_AUTH_METHOD = Problem(
    "D042",
    "A public client is registered with a secret",
    "Answer the token_endpoint_auth_method that was asked for, and no client_secret.",
)
REDIRECT_URIS_CHANGED = Problem(
    "D043",
    "The registration drops redirect URIs",
    "Take a list of redirect URIs whole or not at all.",
)
DOCUMENT_REFUSED = Problem(
    "D044",
    "The client's metadata document isn't accepted",
    "Let the server fetch it over https, or set CLIENT_DOCUMENTS=false so that clients register: "
    "none falls back by itself.",
)
REDIRECT_URI_REFUSED = Problem(
    "D045",
    "/authorize refuses a redirect URI of the client",
    "Allow its scheme at /admin/; let the proxy pass long query strings on unchanged.",
)
LOOPBACK_PORT = Problem(
    "D046",
    "/authorize refuses another loopback port",
    "Compare loopback redirect URIs without their port (RFC 8252 section 7.3).",
)
NO_ISS = Problem(
    "D047",
    "Authorization responses have no `iss`, or another than the issuer",
    "Send `iss` with every response, equal to the metadata's issuer (RFC 9207).",
)

# --- Web pages -----------------------------------------------------------------------------------

METADATA_CORS = Problem(
    "D051",
    "Web pages may not read the metadata",
    "Let the proxy pass Access-Control-Allow-Origin on: metadata is public.",
)
ORIGIN_REFUSED = Problem(
    "D052",
    "Web pages of the client's origin may not call the server",
    "If people use this client, add its origin to ALLOWED_ORIGINS; and let OPTIONS through.",
)
CHALLENGE_HIDDEN = Problem(
    "D053",
    "Web pages may not read WWW-Authenticate",
    "Let the proxy pass Access-Control-Allow-Origin and Access-Control-Expose-Headers on.",
)
OAUTH_CORS = Problem(
    "D054",
    "Web pages may not register or fetch tokens",
    "Let OPTIONS and the CORS headers of /register and /token through.",
)
HEADERS_REFUSED = Problem(
    "D055",
    "Web pages may not send the headers MCP needs",
    "Let the proxy pass Access-Control-Allow-Headers on, and add none of its own.",
)

# --- With a key ----------------------------------------------------------------------------------

NO_SESSION = Problem(
    "D061",
    "The conversation can't begin",
    "Send the request named below to the server itself, past the proxy, and compare.",
)
NO_TOOLS = Problem(
    "D062",
    "No tools are listed",
    "Run script/release, and see at /admin/ which tools this key's owner may use.",
)
NO_MODERN = Problem(
    "D063",
    "Protocol 2026-07-28 isn't served",
    "Let the headers MCP-Protocol-Version, Mcp-Method and Mcp-Name through; these clients fall "
    "back to an older revision.",
)
NO_SSE = Problem(
    "D064",
    "/sse isn't served",
    "Let /sse and /messages/ through, or tell people to use /mcp.",
)
BUFFERED = Problem(
    "D065",
    "/sse is buffered",
    "Switch response buffering and caching off for /sse (nginx: proxy_buffering off).",
)
ENDPOINT_ELSEWHERE = Problem(
    "D066",
    "/sse sends its messages elsewhere",
    "Let no proxy rewrite the stream or serve it below another path.",
)
SSE_SILENT = Problem(
    "D067",
    "A message to /sse isn't answered on the stream",
    "With several workers the database must be PostgreSQL, reached without a pooler that shares "
    "sessions: the worker that has the stream hears of messages by LISTEN.",
)
COMPRESSED = Problem(
    "D068",
    "The stream is compressed",
    "Leave text/event-stream out of the proxy's compression: it holds events back.",
)
PROBLEMS = tuple(value for value in list(globals().values()) if isinstance(value, Problem))
