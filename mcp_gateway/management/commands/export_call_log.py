"""`manage.py export_call_log --format ndjson > calls.ndjson`"""

import os
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mcp_gateway.call_log import export
from mcp_gateway.call_log.models import CallLogEntry


class Command(BaseCommand):
    help = "Write the call log to standard output, as CSV or NDJSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=sorted(export.FORMATS), default="ndjson")
        parser.add_argument("--organization", help="only this one's")
        parser.add_argument("--since", help="only from this moment on, ISO 8601, UTC unless said")
        parser.add_argument("--until", help="only before this moment")
        parser.add_argument(
            "--with-arguments", action="store_true", help="the calls' redacted arguments too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        entries = CallLogEntry.objects.all()
        if options["organization"]:
            entries = entries.filter(organization_id=options["organization"])
        if options["since"]:
            entries = entries.filter(at__gte=moment(options["since"]))
        if options["until"]:
            entries = entries.filter(at__lt=moment(options["until"]))
        lines = export.FORMATS[options["format"]](entries, with_arguments=options["with_arguments"])
        try:
            for line in lines:
                self.stdout.write(line, ending="")
            self.stdout.flush()
        except BrokenPipeError:
            # `| head` has seen enough. Python flushes once more on its way out, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def moment(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text} isn't a moment like 2026-01-31T12:00") from error
    return value if value.tzinfo else value.replace(tzinfo=UTC)
