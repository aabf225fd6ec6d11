"""Which rows are of no more use, and may go?"""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone

from oauth_bridge.models import (
    AccessToken,
    AuthorizationRequest,
    EndUserApiKey,
    Grant,
    RefreshToken,
)

# Long after the last moment a row still decides something.
KEPT_FOR = timedelta(days=1)


def delete_old_rows() -> int:
    """How many rows went, cascades included.

    A rotated refresh token stays until it would have expired, because its reuse must be noticed; a
    key's row stays until PropelAuth has let the key expire too.
    """
    old = timezone.now() - KEPT_FOR
    keys_in_use = AccessToken.objects.values("api_key_id")
    deletions = [
        AuthorizationRequest.objects.filter(expires__lt=old),
        Grant.objects.filter(expires__lt=old),
        AccessToken.objects.filter(expires__lt=old),
        RefreshToken.objects.filter(expires__lt=old),
        EndUserApiKey.objects.filter(expires__lt=old, uncertain=False).exclude(pk__in=keys_in_use),
        Session.objects.filter(expire_date__lt=old),
    ]
    return sum(rows.delete()[0] for rows in deletions)
