"""What the database knows of an access token of ours, in one question per request."""

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from oauth_bridge.loop_connection import NoAnswer, connection_of_this_loop
from oauth_bridge.models import AccessToken, Denial
from oauth_bridge.prepared_query import PreparedQuery
from oauth_bridge.threads import ask_database

# A user's name is PropelAuth's id of them.
DENIALS_OF_TOKEN = Denial.objects.of(
    user_id=OuterRef("user__username"), organization_id=OuterRef("organization_id")
)


class IssuedToken(NamedTuple):
    """A row of AccessToken with what belongs to it; None for what it has lost, as its user."""

    pk: int
    kind: str
    expires: datetime
    resource: list[str]
    scope: str
    organization_id: str
    role: str
    token_family: UUID
    last_used_at: datetime | None
    encrypted_secret: str
    is_user_active: bool | None
    subject: UUID | None
    application_id: int | None
    client_id: str | None
    client_name: str | None
    blocked_at: datetime | None
    is_denied: bool


def _tokens_with(checksum: str) -> QuerySet[AccessToken, tuple[Any, ...]]:
    """The columns are IssuedToken's fields, in their order."""
    return (
        AccessToken.objects.annotate(is_denied=Exists(DENIALS_OF_TOKEN))
        .filter(token_checksum=checksum)
        .values_list(
            "pk",
            "kind",
            "expires",
            "resource",
            "scope",
            "organization_id",
            "role",
            "token_family",
            "last_used_at",
            "api_key__encrypted_secret",
            "user__is_active",
            "user__propelauth_user_id",
            "application_id",
            "application__client_id",
            "application__name",
            "application__blocked_at",
            "is_denied",
        )
    )


_query = PreparedQuery(_tokens_with)


async def find_issued_token(checksum: str) -> IssuedToken | None:
    """Raises django.db.Error."""
    try:
        row = await connection_of_this_loop().first(_query, checksum)
    except NoAnswer:
        row = await ask_database(partial(_query.first, checksum))
    return None if row is None else IssuedToken(*row)
