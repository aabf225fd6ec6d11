"""What may a token do? `wiv:write` includes `wiv:read`."""

from collections.abc import Iterable

from oauth_bridge import credentials

INCLUDES = {"wiv:write": frozenset({"wiv:read"})}


def covers(granted: Iterable[str], required: str) -> bool:
    return any(required == scope or required in INCLUDES.get(scope, ()) for scope in granted)


def all_scopes() -> str:
    """Every scope on offer, space-delimited as in RFC 6749 section 3.3."""
    return " ".join(credentials.scopes_offered())


def scopes_to_ask_for(granted: Iterable[str], required: str) -> str:
    """What a client should ask for to gain `required` without losing what it has."""
    wanted = {*granted, required, *INCLUDES.get(required, ())}
    return " ".join(scope for scope in credentials.scopes_offered() if scope in wanted)
