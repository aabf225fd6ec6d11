"""Has somebody done this too often? Counted in the database, so that all workers know."""

import math
from datetime import timedelta

from django.utils import timezone

from oauth_bridge.models import RateCounter, window_of


def seconds_to_wait(bucket: str, limit: int, per: timedelta) -> int:
    """Counts one more; 0 when it is within the limit, else until the window ends."""
    if RateCounter.objects.count_one(bucket, per) <= limit:
        return 0
    left = window_of(per) + per - timezone.now()
    return max(1, math.ceil(left.total_seconds()))
