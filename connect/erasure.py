"""Deleting what this server keeps of one person, or of one organization: all apps' parts together.

Nothing here tells PropelAuth or Wiv anything but which API keys to delete.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import QuerySet

import mcp_gateway.erasure
import oauth_bridge.erasure
from connect.models import ConnectionAttempt
from oauth_bridge.erasure import Part, end_access, keys_that_wait
from oauth_bridge.models import EndUserApiKey, User
from oauth_bridge.sign_in import SESSION_ORGANIZATION, SESSION_ORGANIZATIONS


@dataclass(frozen=True, slots=True)
class Person:
    """By PropelAuth's user id. Who only brought an API key has no row."""

    user_id: str

    @property
    def user(self) -> User | None:
        return User.objects.filter(propelauth_user_id=self.user_id).first()

    def end_access(self) -> None:
        if self.user is not None:
            end_access(user=self.user)

    def parts(self) -> Iterator[Part]:
        if (user := self.user) is not None:
            yield Part("sessions", sessions_where(lambda data: is_of(user, data)))
            yield Part("attempts to connect", ConnectionAttempt.objects.filter(user=user))
        yield from mcp_gateway.erasure.parts_of_person(self.user_id)
        if user is not None:
            yield from oauth_bridge.erasure.parts_of_person(user)

    def keys_that_wait(self) -> QuerySet[EndUserApiKey]:
        return keys_that_wait(user__propelauth_user_id=self.user_id)

    def entries_that_stay(self) -> int:
        return mcp_gateway.erasure.entries_that_stay(self.user_id)


@dataclass(frozen=True, slots=True)
class Organization:
    """By PropelAuth's id."""

    organization_id: str

    def end_access(self) -> None:
        end_access(organization_id=self.organization_id)

    def parts(self) -> Iterator[Part]:
        mine = self.organization_id
        yield Part("sessions", sessions_where(lambda data: mine in organizations_in(data)))
        yield from mcp_gateway.erasure.parts_of_organization(mine)
        yield from oauth_bridge.erasure.parts_of_organization(mine)

    def keys_that_wait(self) -> QuerySet[EndUserApiKey]:
        return keys_that_wait(organization_id=self.organization_id)

    def entries_that_stay(self) -> int:
        return 0


def sessions_where(matches: Callable[[dict[str, Any]], bool]) -> QuerySet[Session]:
    """Each has to be opened. One whose SECRET_KEY is gone can't be, and is of no use to anybody."""
    sessions = Session.objects.iterator()
    found = [row.pk for row in sessions if matches(row.get_decoded())]
    return Session.objects.filter(pk__in=found)


def is_of(user: User, data: dict[str, Any]) -> bool:
    return bool(data.get(SESSION_KEY) == str(user.pk))


def organizations_in(data: dict[str, Any]) -> set[str]:
    named = [data.get(SESSION_ORGANIZATION) or {}, *data.get(SESSION_ORGANIZATIONS, [])]
    return {each.get("id", "") for each in named}
