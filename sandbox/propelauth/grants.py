"""What does the OAuth half remember? Clients, sign-ins in flight, codes and tokens."""

import secrets
from dataclasses import dataclass, field

from sandbox import fixtures


@dataclass
class Client:
    """An OAuth client; one without a secret is public and lives by PKCE alone."""

    client_id: str
    client_secret: str | None
    redirect_uris: list[str]
    name: str


@dataclass(frozen=True)
class AuthorizationRequest:
    client_id: str
    redirect_uri: str
    state: str
    code_challenge: str
    resource: str
    scope: str


@dataclass
class SignIn:
    """One visit to the hosted pages; `transaction` is the hidden field that names it."""

    request: AuthorizationRequest
    expires_at: float
    transaction: str = field(default_factory=lambda: secrets.token_hex(16))
    user_id: str | None = None  # known once the password was right


@dataclass(frozen=True)
class Code:
    request: AuthorizationRequest
    user_id: str
    org_id: str | None  # what the organization picker was told, if it asked
    expires_at: float


@dataclass(frozen=True)
class Token:
    client_id: str
    user_id: str
    org_id: str | None
    resource: str
    scope: str
    issued_at: int
    expires_at: int
    access_token: str = field(default_factory=lambda: secrets.token_hex(48))
    refresh_token: str = field(default_factory=lambda: secrets.token_hex(48))


@dataclass
class IntrospectionMode:
    """What introspection tells; each way was seen at one PropelAuth tenant or another.

    `org_id`: "auto" (the user's only organization), "omit", or "picker" (a hosted page asks).
    `aud`: under which name the resource is given, "aud" or "resource", or "omit".
    """

    org_id: str = "auto"
    exp: bool = True
    aud: str = "aud"


class Grants:
    def __init__(self, redirect_uris: list[str]) -> None:
        self.mcp_enabled = True
        self.introspection = IntrospectionMode()
        self.mcp_client = Client(
            fixtures.CLIENT_ID, fixtures.CLIENT_SECRET, list(redirect_uris), "Wiv MCP server"
        )
        self.clients = {self.mcp_client.client_id: self.mcp_client}
        self.sign_ins: dict[str, SignIn] = {}
        self.codes: dict[str, Code] = {}
        self.access_tokens: dict[str, Token] = {}
        self.refresh_tokens: dict[str, Token] = {}

    def begin_sign_in(self, request: AuthorizationRequest, now: float) -> SignIn:
        sign_in = SignIn(request, now + fixtures.SIGN_IN_LIFE_SECONDS)
        self.sign_ins[sign_in.transaction] = sign_in
        return sign_in

    def find_sign_in(self, transaction: str, now: float) -> SignIn | None:
        sign_in = self.sign_ins.get(transaction)
        return sign_in if sign_in and sign_in.expires_at > now else None

    def issue_code(self, sign_in: SignIn, org_id: str | None, now: float) -> str:
        """Ends the sign-in: its page can't be submitted again."""
        del self.sign_ins[sign_in.transaction]
        code = secrets.token_urlsafe(32)
        expires_at = now + fixtures.CODE_LIFE_SECONDS
        self.codes[code] = Code(sign_in.request, sign_in.user_id or "", org_id, expires_at)
        return code

    def redeem_code(self, code: str, now: float) -> Code | None:
        """A code is gone after one try, also after one that fails later."""
        redeemed = self.codes.pop(code, None)
        return redeemed if redeemed and redeemed.expires_at > now else None

    def issue_token(self, code: Code, now: float) -> Token:
        request = code.request
        return self._keep(
            Token(
                request.client_id,
                code.user_id,
                code.org_id,
                request.resource,
                request.scope,
                int(now),
                int(now) + fixtures.ACCESS_TOKEN_LIFE_SECONDS,
            )
        )

    def find_refreshable(self, refresh_token: str, client_id: str, now: float) -> Token | None:
        token = self.refresh_tokens.get(refresh_token)
        if token is None or token.client_id != client_id:
            return None
        return token if token.issued_at + fixtures.REFRESH_TOKEN_LIFE_SECONDS > now else None

    def rotate(self, old: Token, now: float) -> Token:
        del self.refresh_tokens[old.refresh_token]
        self.access_tokens.pop(old.access_token, None)
        expires_at = int(now) + fixtures.ACCESS_TOKEN_LIFE_SECONDS
        return self._keep(
            Token(
                old.client_id,
                old.user_id,
                old.org_id,
                old.resource,
                old.scope,
                int(now),
                expires_at,
            )
        )

    def _keep(self, token: Token) -> Token:
        self.access_tokens[token.access_token] = token
        self.refresh_tokens[token.refresh_token] = token
        return token
