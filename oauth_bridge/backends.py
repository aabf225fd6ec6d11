"""The session of somebody who signed in at PropelAuth."""

from django.contrib.auth.backends import BaseBackend

from oauth_bridge.models import User


class PropelAuthBackend(BaseBackend):
    """Loads the session's user. It authenticates nobody: the sign-in does, and staff never."""

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True, is_staff=False).first()
