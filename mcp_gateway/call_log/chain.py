"""The entries of an organization are a chain: each holds the hash of the one before it.

Somebody who changes, removes or moves a row would have to compute every later hash anew, and the
chain's last hash, which can be noted elsewhere (`manage.py verify_call_log`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from mcp_gateway.call_log import counts
from mcp_gateway.call_log.insertion import insert
from mcp_gateway.call_log.models import CallChain, CallLogEntry

FORGET_AT_ONCE = 5_000


def append(organization_id: str, entries: Sequence[CallLogEntry]) -> None:
    """Adds them in this order. One writer at a time: the chain's row is locked."""
    with transaction.atomic():
        chains = CallChain.objects.select_for_update()
        chain, _ = chains.get_or_create(organization_id=organization_id)
        for entry in entries:
            entry.sequence = chain.last_sequence + 1
            entry.previous_hash = chain.last_hash
            entry.hash = entry.computed_hash()
            chain.last_sequence, chain.last_hash = entry.sequence, entry.hash
        insert(entries)
        chain.save(update_fields=["last_sequence", "last_hash"])
        counts.add(entries)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a chain, and at which entry."""

    organization_id: str
    sequence: int
    problem: str

    def __str__(self) -> str:
        return f"{self.organization_id}, entry {self.sequence}: {self.problem}"


def verify(organization_id: str) -> Iterator[Finding]:
    chain = CallChain.objects.filter(organization_id=organization_id).first()
    expected = chain.first_sequence if chain else 1
    previous = chain.first_previous_hash if chain else ""
    entries = CallLogEntry.objects.filter(organization_id=organization_id).order_by("sequence")
    if chain is None:
        if (first := entries.first()) is not None:
            yield Finding(organization_id, first.sequence, "the chain's own row was removed")
        return
    last = chain.first_sequence - 1
    for entry in entries.iterator(chunk_size=2_000):
        if entry.sequence != expected:
            missing = (
                f"{expected}"
                if entry.sequence - expected == 1
                else f"{expected} to {entry.sequence - 1}"
            )
            yield Finding(organization_id, expected, f"removed: {missing}")
        elif entry.previous_hash != previous:
            yield Finding(
                organization_id, entry.sequence, "moved, or what stood before it was replaced"
            )
        if entry.hash != entry.computed_hash():
            yield Finding(organization_id, entry.sequence, f"changed ({entry})")
        expected, previous, last = entry.sequence + 1, entry.hash, entry.sequence
    if last != chain.last_sequence:
        yield Finding(organization_id, last + 1, f"removed: {last + 1} to {chain.last_sequence}")
    elif previous != chain.last_hash:
        yield Finding(organization_id, last, "isn't the last one that was written")


def forget(organization_id: str, before: datetime) -> int:
    """Lets the oldest entries go, up to the first that is younger. How many went.

    The chain keeps the hash that its now first entry builds on.
    """
    gone = 0
    while True:
        with transaction.atomic():
            chain = CallChain.objects.select_for_update().get(organization_id=organization_id)
            own = CallLogEntry.objects.filter(organization_id=organization_id)
            oldest = own.order_by("sequence")[:FORGET_AT_ONCE]
            old = list(oldest.only("sequence", "at", "hash"))
            kept = next((place for place, each in enumerate(old) if each.at >= before), len(old))
            if not kept:
                return gone
            last = old[kept - 1]
            chain.first_sequence, chain.first_previous_hash = last.sequence + 1, last.hash
            chain.save(update_fields=["first_sequence", "first_previous_hash"])
            own.filter(sequence__lte=last.sequence)._forget()
            gone += kept


def find_missing(organization_id: str, sequence: int, noted_hash: str) -> Finding | None:
    """The chain must still have what it once ended with, unless that was old enough to go."""
    chain = CallChain.objects.filter(organization_id=organization_id).first()
    if chain is not None and sequence < chain.first_sequence:
        return None
    own = CallLogEntry.objects.filter(organization_id=organization_id, sequence=sequence)
    if sequence == 0 or own.filter(hash=noted_hash).exists():
        return None
    return Finding(organization_id, sequence, "isn't the entry that was noted with this number")
