"""`manage.py check_upstreams`: do PropelAuth and Wiv take what this server is configured with?

    manage.py check_upstreams                             changes nothing, needs no database
    manage.py check_upstreams --token-from-env NAME       and what introspection says of a token

Exit status: 0 fine, 1 something would fail, 2 it couldn't be found out.
"""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connect.upstreams.examination import Credential, examine
from connect.upstreams.report import as_json, as_text, summary
from oauth_bridge.secret import Secret


class Command(BaseCommand):
    help = "Ask PropelAuth and Wiv whether the configured URLs and credentials work."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--token-from-env",
            default="",
            metavar="NAME",
            help="the environment variable with an access token of PropelAuth's MCP feature",
        )
        parser.add_argument(
            "--api-key-env",
            default="WIV_API_KEY",
            metavar="NAME",
            help="the environment variable with a Wiv API key, for a GET of spaces (%(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="a report for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        token = credential_in(options["token_from_env"])
        if token.name and not token.value:
            raise CommandError(f"{token.name} isn't set", returncode=2)
        record = examine(token, credential_in(options["api_key_env"]))
        self.stdout.write((as_json if options["json"] else as_text)(record))
        if record.status:
            raise CommandError(summary(record), returncode=record.status)


def credential_in(name: str) -> Credential:
    return Credential(name, Secret(os.environ.get(name, "").strip() if name else ""))
