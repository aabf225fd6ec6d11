"""What can go wrong in this app, and who is told.

BridgeError
├── SecretUnreadable          an encrypted value no key fits: its owner signs in again
├── SignInFailed              a person sees a page; the log keeps `reason`
├── MintingFailed             /token answers 503 with Retry-After; the code stays redeemable
└── PropelAuthError           caught by the three above, or by credentials
    ├── PropelAuthUnavailable     no answer, 429 or 5xx: try again later
    ├── PropelAuthMisconfigured   our own credentials or the tenant's settings are wrong
    └── PropelAuthRefused         an answer: not this code, key or user
"""


class BridgeError(Exception):
    """Base of everything this app raises."""


class SecretUnreadable(BridgeError):
    pass


class SignInFailed(BridgeError):
    """A sign-in that can't go on. `message` is for the person, `reason` for the log.

    `oauth_error` is what the client is told if the person chooses to return to it (RFC 6749
    §4.1.2.1).
    """

    def __init__(
        self, message: str, *, reason: str, status: int = 400, oauth_error: str = "server_error"
    ) -> None:
        super().__init__(reason)
        self.message = message
        self.reason = reason
        self.status = status
        self.oauth_error = oauth_error


class MintingFailed(BridgeError):
    """No API key could be had from PropelAuth in time."""


class PropelAuthError(BridgeError):
    pass


class PropelAuthUnavailable(PropelAuthError):
    pass


class PropelAuthMisconfigured(PropelAuthError):
    pass


class PropelAuthRefused(PropelAuthError):
    pass
