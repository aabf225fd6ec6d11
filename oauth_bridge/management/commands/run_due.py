"""`manage.py run_due`: do now what is due, for a scheduler where no request wakes an instance."""

from typing import Any

from django.core.management.base import BaseCommand

from oauth_bridge import outbox


class Command(BaseCommand):
    help = "Delete API keys at PropelAuth that were revoked here and are due."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{outbox.deliver_due(limit=1000)} keys deleted at PropelAuth")
