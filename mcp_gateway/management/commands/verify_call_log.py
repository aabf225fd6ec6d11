"""`manage.py verify_call_log`: was anything in the call log changed, removed or moved?

Prints the last entry and hash of each chain. Noted elsewhere and given back with --expect, they
show that a chain was cut off or written anew as a whole, which it can't show by itself.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mcp_gateway.call_log import chain
from mcp_gateway.call_log.models import CallChain, CallLogEntry


class Command(BaseCommand):
    help = "Verify the call log's chains of hashes, and name what was changed, removed or moved."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", help="only this one's chain")
        parser.add_argument(
            "--expect",
            type=Path,
            metavar="FILE",
            help="an earlier --json output: each chain must still contain what it ended with",
        )
        parser.add_argument("--json", action="store_true", help="the chains' ends, for --expect")

    def handle(self, *args: Any, **options: Any) -> None:
        organizations = self._organizations(options["organization"])
        findings = [finding for each in organizations for finding in chain.verify(each)]
        findings += self._unexpected(options["expect"])
        chains = self._chains(organizations)
        if options["json"]:
            ends = {
                each.pk: {"sequence": each.last_sequence, "hash": each.last_hash} for each in chains
            }
            self.stdout.write(json.dumps(ends, indent=2))
        else:
            for each in chains:
                kept = each.last_sequence - each.first_sequence + 1
                self.stdout.write(f"{each.pk}: {kept} entries, last {each.last_hash}")
        for finding in findings:
            self.stderr.write(str(finding))
        if findings:
            raise CommandError(f"{len(findings)} findings: the call log isn't as it was written")

    def _organizations(self, named: str | None) -> list[str]:
        if named:
            return [named]
        chains = CallChain.objects.values_list("organization_id", flat=True)
        entries = CallLogEntry.objects.values_list("organization_id", flat=True).distinct()
        return sorted({*chains, *entries})

    def _chains(self, organizations: list[str]) -> list[CallChain]:
        return list(CallChain.objects.filter(pk__in=organizations).order_by("pk"))

    def _unexpected(self, noted: Path | None) -> list[chain.Finding]:
        if noted is None:
            return []
        try:
            ends = json.loads(noted.read_text())
            expected = [
                (name, int(end["sequence"]), str(end["hash"])) for name, end in ends.items()
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(f"{noted} isn't an output of --json: {error}") from error
        return [finding for each in expected if (finding := chain.find_missing(*each))]
