"""`manage.py rotate_encryption`: encrypt every stored secret with the newest key.

    1. Put a new key last in ENCRYPTION_KEYS and deploy, so that every copy can read it.
    2. Put it first and deploy: it encrypts, the old one still decrypts.
    3. Run this.
    4. Drop the old key and deploy.

Nobody is signed out, and it can be run again.
"""

from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Model, QuerySet

from oauth_bridge.encryption import encrypted_fields, reencrypt
from oauth_bridge.errors import SecretUnreadable


class Command(BaseCommand):
    help = "Encrypt every stored secret with the first of ENCRYPTION_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        for field in encrypted_fields():
            rows = field.model._default_manager.exclude(**{field.name: ""})
            self._rotate(field.what, rows, field.name)

    def _rotate(self, what: str, rows: QuerySet[Any], field: str) -> None:
        outcomes = [rotate_row(row, field) for row in rows.iterator()]
        self.stdout.write(f"{what}: {outcomes.count(True)} encrypted with the newest key")
        if unreadable := outcomes.count(False):
            self.stderr.write(f"{what}: {unreadable} can't be read with any of the keys")


def rotate_row(row: Model, field: str) -> bool:
    """False when no key fits. A value that changed meanwhile is left alone: it is newer."""
    encrypted = getattr(row, field)
    try:
        rotated = reencrypt(encrypted)
    except SecretUnreadable:
        return False
    type(row)._default_manager.filter(pk=row.pk, **{field: encrypted}).update(**{field: rotated})
    return True
