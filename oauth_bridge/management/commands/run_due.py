"""`manage.py run_due`: do now what is due, for a scheduler where no request wakes an instance."""

from typing import Any

from django.core.management.base import BaseCommand

from oauth_bridge import cleanup, outbox


class Command(BaseCommand):
    help = "Delete revoked and lost API keys at PropelAuth, and rows that are of no more use."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{outbox.deliver_due(limit=1000)} revoked keys deleted at PropelAuth")
        self.stdout.write(f"{outbox.settle(limit=1000)} lost keys deleted at PropelAuth")
        self.stdout.write(f"{cleanup.delete_old_rows()} old rows deleted here")
