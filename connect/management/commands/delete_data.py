"""`manage.py delete_data`: delete what is kept here of one person, or of one organization.

    manage.py delete_data --user ID                    says how much there is, and changes nothing
    manage.py delete_data --user ID --delete           ends their access here and deletes it
    manage.py delete_data --organization ID --delete   an organization's, with its call log

Ids are PropelAuth's. It can be run again, and should be where it ends with 1: PropelAuth hasn't
deleted all API keys yet, and their rows wait for that.
"""

import uuid
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connect.erasure import Organization, Person


class Command(BaseCommand):
    help = "List or delete what is kept of one person, or of one organization."

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--user", type=user_id, metavar="ID", help="PropelAuth's user id")
        whose.add_argument(
            "--organization",
            type=organization_id,
            metavar="ID",
            help="PropelAuth's organization id",
        )
        parser.add_argument("--delete", action="store_true", help="delete it")

    def handle(self, *args: Any, **options: Any) -> None:
        user, organization = options["user"], options["organization"]
        whose = Person(user) if user else Organization(organization)
        if options["delete"]:
            self._delete(whose)
        else:
            self._list(whose)
        if stay := whose.entries_that_stay():
            self.stdout.write(f"{stay} tool calls stay in the call log until CALL_LOG_RETENTION")

    def _list(self, whose: Person | Organization) -> None:
        for part in whose.parts():
            self.stdout.write(f"{part.what}: {part.rows.count()}")
        if keys := whose.keys_that_wait().count():
            self.stdout.write(f"API keys to delete at PropelAuth first: {keys}")
        self.stdout.write("nothing was deleted; --delete does")

    def _delete(self, whose: Person | Organization) -> None:
        whose.end_access()
        for part in whose.parts():
            self.stdout.write(f"{part.what}: {part.delete(part.rows)} deleted")
        if keys := whose.keys_that_wait().count():
            problem = f"{keys} API keys aren't deleted at PropelAuth yet; run this again later"
            raise CommandError(problem)


def user_id(value: str) -> str:
    """As the call log has it: lower case, with hyphens."""
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise ArgumentTypeError("a PropelAuth user id is a UUID") from None


def organization_id(value: str) -> str:
    """Not empty: many rows belong to no organization."""
    if not value.strip():
        raise ArgumentTypeError("name an organization")
    return value
