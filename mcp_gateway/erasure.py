"""What is kept of one person, or of one organization, and how does it go?

A person's entries in the call log stay until they are old: they are links of their organization's
chain, which would break. An organization's chain goes as a whole.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.db.models import QuerySet

from mcp_gateway.approvals.models import Approval
from mcp_gateway.call_log import chain
from mcp_gateway.call_log.models import CallChain, CallCount, CallLogEntry
from mcp_gateway.conduct.models import Pause
from mcp_gateway.models import Listing
from oauth_bridge.credentials import Part

FOREVER = datetime.max.replace(tzinfo=UTC)


def parts_of_person(subject: str) -> Iterator[Part]:
    """`subject` is PropelAuth's user id."""
    yield from parts_of(subject=subject)
    own = CallCount.objects.filter(
        span__in=CallCount.Span.values, by=CallCount.By.SUBJECT, value=subject
    )
    yield Part("counts of tool calls", own)


def parts_of_organization(organization_id: str) -> Iterator[Part]:
    yield from parts_of(organization_id=organization_id)
    counts = CallCount.objects.filter(organization_id=organization_id)
    yield Part("counts of tool calls", counts)
    chained = CallLogEntry.objects.filter(organization_id=organization_id)
    yield Part("tool calls in the call log", chained, forget_chain)


def parts_of(**whose: str) -> Iterator[Part]:
    yield Part("connected clients", Listing.objects.filter(**whose))
    yield Part("approvals", Approval.objects.filter(**whose))
    yield Part("pauses", Pause.objects.filter(**whose))


def forget_chain(entries: QuerySet[CallLogEntry]) -> int:
    """The chain's own row stays, which has its length and last hash: it still verifies, also
    against an end that was noted elsewhere."""
    organizations = entries.order_by().values_list("organization_id", flat=True).distinct()
    chains = CallChain.objects.filter(pk__in=list(organizations))
    return sum(chain.forget(each.pk, before=FOREVER) for each in chains)


def entries_that_stay(subject: str) -> int:
    return CallLogEntry.objects.filter(subject=subject).count()
