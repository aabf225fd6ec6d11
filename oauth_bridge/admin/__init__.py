"""Who may call, and how is that ended? Registrations, sign-ins, keys and people.

Everything is to be read and taken along, and little to be changed: a row is what happened. Ending
access goes through `families` and `outbox`, so that the API key behind it is deleted at PropelAuth
too. No page shows a token, a key or a hash of one.
"""

from oauth_bridge.admin import denials, events, people
from oauth_bridge.admin.access import (
    AccessTokenAdmin,
    ConsentAdmin,
    EndUserApiKeyAdmin,
    GrantAdmin,
    RefreshTokenAdmin,
)
from oauth_bridge.admin.clients import ApplicationAdmin, PrivateUseSchemeAdmin
from oauth_bridge.admin.records import UnusedAdmin

__all__ = [
    "AccessTokenAdmin",
    "ApplicationAdmin",
    "ConsentAdmin",
    "EndUserApiKeyAdmin",
    "GrantAdmin",
    "PrivateUseSchemeAdmin",
    "RefreshTokenAdmin",
    "UnusedAdmin",
    "denials",
    "events",
    "people",
]
