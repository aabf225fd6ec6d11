"""Where does a request go, with which credential, and what can be done about its refusals?"""

from collections.abc import Mapping
from dataclasses import dataclass

from oauth_bridge.credentials import Secret, is_jwt
from telemetry.outgoing import Api

WHAT_TO_DO = {
    400: "Correct the arguments and call again.",
    404: "Nothing has this id. Look the id up with the matching list tool.",
    409: "The current state doesn't allow this. Read the state first, then decide.",
    422: "Correct the arguments and call again.",
    429: "Too many requests. Wait before calling again.",
}
WHAT_TO_DO_AT_WIV = WHAT_TO_DO | {
    401: "Wiv doesn't accept this credential any more. Ask the user to reconnect.",
    403: "The user's role in Wiv doesn't allow this, or the organization isn't an MSP. Repeating "
    "won't help; ask the user, or use another tool.",
}
WHAT_TO_DO_ELSEWHERE = WHAT_TO_DO | {
    401: "It doesn't accept this server's credential. Reconnecting won't help: tell the user that "
    "an administrator must renew it.",
    403: "This server's credential doesn't allow it. Repeating won't help; ask the user, or use "
    "another tool.",
}


@dataclass(frozen=True, slots=True)
class OtherApi:
    """An upstream beside Wiv: what people call it, where it is, and our own credential there."""

    title: str
    base_url: str
    credential_header: str = ""
    credential: Secret | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one request goes, with which credential."""

    title: str
    base_url: str
    credential: Secret | None
    headers: Mapping[str, str]
    is_wiv: bool

    @property
    def api(self) -> Api:
        return "wiv" if self.is_wiv else "other"

    @property
    def try_later(self) -> str:
        return f"The fault is on {self.title}'s side. Try again later."

    @property
    def what_to_do(self) -> Mapping[int, str]:
        return WHAT_TO_DO_AT_WIV if self.is_wiv else WHAT_TO_DO_ELSEWHERE

    def without_credential(self, body: bytes) -> bytes:
        """It might echo the key; a client with an opaque token must never see it."""
        if not self.credential:
            return body
        return body.replace(self.credential.reveal().encode(), b"[credential]")


def credential_header(credential: Secret) -> dict[str, str]:
    """Wiv takes PropelAuth's JWTs as bearer tokens and everything else as an API key."""
    if is_jwt(credential):
        return {"Authorization": f"Bearer {credential.reveal()}"}
    return {"X-API-Key": credential.reveal()}
