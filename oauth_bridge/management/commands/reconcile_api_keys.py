"""`manage.py reconcile_api_keys`: list keys PropelAuth has of us that nothing here accounts for.

    manage.py reconcile_api_keys            says which, and changes nothing
    manage.py reconcile_api_keys --delete   deletes them at PropelAuth

Keys that people made for themselves on /connect are listed and left alone: they work without a row
here, and after a restored backup they are all that somebody has.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from oauth_bridge.errors import PropelAuthError
from oauth_bridge.reconciliation import Stray, delete_stray, find_strays


class Command(BaseCommand):
    help = "List or delete keys at PropelAuth that are marked as ours and aren't known here."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--delete", action="store_true", help="delete them at PropelAuth")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            strays = list(find_strays())
            deleted = [self._settle(stray, delete=options["delete"]) for stray in strays]
        except PropelAuthError as error:
            raise CommandError(f"PropelAuth: {error}") from error
        self.stdout.write(f"{len(strays)} strays, {deleted.count(True)} deleted")

    def _settle(self, stray: Stray, *, delete: bool) -> bool:
        key = stray.key
        may_delete = delete and not stray.is_in_use
        if may_delete:
            delete_stray(stray)
        what = "deleted" if may_delete else "in use, kept" if stray.is_in_use else "found"
        kind = key.metadata.get("kind", "")
        self.stdout.write(
            f"{key.api_key_id}: {what}; {stray.reason}; {kind}, "
            f"user {key.user_id}, organization {key.organization_id}"
        )
        return may_delete
