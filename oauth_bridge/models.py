"""The authorization server's rows.

Three kinds of secrets pass through here. What we only compare (codes, tokens, `state`, browser
secrets) is kept as SHA-256. What we must read back (our PKCE verifier, the API key behind an opaque
token) is kept MultiFernet-encrypted. An API key that was given out as an access token isn't kept.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
    ApplicationManager,
)
from oauthlib.common import Request as OAuthRequest

from oauth_bridge.propelauth import PropelAuthUser
from oauth_bridge.redirect_uris import REDIRECT_URI_RULE, is_acceptable, may_be_private_scheme


class UserManager(DjangoUserManager["User"]):
    def from_propelauth(self, person: PropelAuthUser) -> "User":
        """The local row of a PropelAuth user, found by `user_id` alone: never by e-mail address."""
        user, _ = self.update_or_create(
            propelauth_user_id=person.user_id,
            defaults={
                "email": person.email,
                "first_name": person.first_name[:150],
                "last_name": person.last_name[:150],
            },
            create_defaults={
                "username": person.user_id,
                "email": person.email,
                "first_name": person.first_name[:150],
                "last_name": person.last_name[:150],
                "password": "!",
            },
        )
        return user


class User(AbstractUser):
    """Somebody who signed in at PropelAuth, or a member of staff; one row is never both."""

    propelauth_user_id = models.UUIDField("PropelAuth user id", null=True, blank=True, unique=True)

    objects: ClassVar[UserManager] = UserManager()

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                name="a_propelauth_user_is_never_staff",
                condition=Q(propelauth_user_id=None) | Q(is_staff=False, is_superuser=False),
            )
        ]

    def __str__(self) -> str:
        return self.email or self.username

    def may_use(self, organization_id: str) -> bool:
        """Has nobody here shut this person, or their organization, out?"""
        denials = Denial.objects.of(user_id=self.username, organization_id=organization_id)
        return self.is_active and not denials.exists()


class PrivateUseSchemeManager(models.Manager["PrivateUseScheme"]):
    def allowed(self) -> frozenset[str]:
        return frozenset(self.values_list("scheme", flat=True))


def validate_private_scheme(scheme: str) -> None:
    if not may_be_private_scheme(scheme):
        raise ValidationError("Not a scheme that belongs to one application, in lower case.")


class PrivateUseScheme(models.Model):
    """A URI scheme an application registered with the operating system (RFC 8252 §7.1).

    Clients may register redirect URIs of these. Any other scheme could belong to whatever program
    grabbed it; these too, which is why the consent page warns.
    """

    scheme = models.CharField(
        max_length=50,
        unique=True,
        validators=[validate_private_scheme],
        help_text="Without the colon: cursor, for cursor://anysphere.cursor-mcp/oauth/callback",
    )
    application = models.CharField(max_length=100, help_text="Whose it is: Cursor")
    created = models.DateTimeField(auto_now_add=True)

    objects = PrivateUseSchemeManager()

    class Meta:
        verbose_name = "private-use URI scheme"
        verbose_name_plural = "private-use URI schemes"
        ordering = ["scheme"]

    def __str__(self) -> str:
        return self.scheme


class ApplicationQuerySet(models.QuerySet["Application"]):
    def self_registered(self) -> "ApplicationQuerySet":
        return self.filter(registration_source=AbstractApplication.RegistrationSource.DCR)

    def unbidden(self) -> "ApplicationQuerySet":
        """Self-registered, or known from a document of theirs."""
        return self.exclude(registration_source=AbstractApplication.RegistrationSource.MANUAL)

    def without_live_grant(self) -> "ApplicationQuerySet":
        """Nobody is signed in with these, or on the way to be."""
        now = timezone.now()
        live = Q(revoked=None, expires__gt=now)
        return self.exclude(
            pk__in=RefreshToken.objects.filter(live).values("application_id")
        ).exclude(pk__in=Grant.objects.filter(expires__gt=now).values("application_id"))

    def never_used(self) -> "ApplicationQuerySet":
        return self.exclude(pk__in=Consent.objects.values("application_id"))


class Application(AbstractApplication):
    """An AI client, registered by itself (RFC 7591) or by an admin."""

    class AuthMethod(models.TextChoices):
        NONE = "none"
        POST = "client_secret_post"
        BASIC = "client_secret_basic"

    token_endpoint_auth_method = models.CharField(
        max_length=32, choices=AuthMethod.choices, default=AuthMethod.NONE
    )
    software_id = models.CharField("software id", max_length=255, blank=True)
    software_version = models.CharField(max_length=100, blank=True)
    registered_from = models.GenericIPAddressField(null=True, blank=True)
    # All redirect URIs are a known vendor's, whose users share its addresses.
    is_vendors = models.BooleanField(default=False, editable=False)
    # `updated` would also move with an admin's edit.
    last_registered_at = models.DateTimeField(default=timezone.now, editable=False)
    # To the minute, as in AccessToken and Consent: credentials.USE_RESOLUTION.
    last_used_at = models.DateTimeField(null=True, editable=False)
    blocked_at = models.DateTimeField(null=True, blank=True)

    objects = ApplicationManager.from_queryset(ApplicationQuerySet)()

    class Meta(AbstractApplication.Meta):
        indexes = [models.Index(fields=["created"], name="oauth_bridge_app_created")]

    def clean(self) -> None:
        """The toolkit allows http for every host, as its schemes are one list for all."""
        super().clean()
        schemes = PrivateUseScheme.objects.allowed()
        if not all(is_acceptable(uri, schemes) for uri in self.redirect_uris.split()):
            raise ValidationError({"redirect_uris": REDIRECT_URI_RULE})

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Registered, and still of a scheme that is allowed."""
        # First, as the toolkit stumbles over a port that isn't one.
        if not is_acceptable(uri, PrivateUseScheme.objects.allowed()):
            return False
        return bool(super().redirect_uri_allowed(uri))

    def get_allowed_schemes(self) -> list[str]:
        return ["https", "http", *PrivateUseScheme.objects.allowed()]

    def is_usable(self, request: OAuthRequest) -> bool:
        return self.blocked_at is None


class Grant(AbstractGrant):
    """An authorization code. `code` is its checksum; a consumed row stays, to notice a replay.

    `claim` names the redemption that is minting a key for it right now.
    """

    organization_id = models.CharField(max_length=64)
    # The person's in the organization, as of the sign-in; a token's as of the last refresh.
    role = models.CharField(max_length=64, blank=True)
    token_family = models.UUIDField(default=uuid.uuid4, editable=False)
    claim = models.UUIDField(null=True, editable=False)
    claimed_at = models.DateTimeField(null=True, editable=False)
    consumed_at = models.DateTimeField(null=True, editable=False)

    class Meta(AbstractGrant.Meta):
        pass


class TokenKind(models.TextChoices):
    API_KEY = "api_key", "API key"
    OPAQUE = "opaque", "Opaque"


class EndUserApiKey(models.Model):
    """A PropelAuth end-user API key we had made, from the intent to its deletion and beyond.

    The row comes first, without `api_key_id` and `uncertain`: should we die between PropelAuth's
    answer and our commit, or never get the answer, the key is found by the `mint_id` in its
    metadata (outbox.settle). The row also outlives the key, so that a key of ours is never
    mistaken for one a user brought.
    """

    class Purpose(models.TextChoices):
        ACCESS_TOKEN = "access_token", "Given out as an access token"
        BEHIND_OPAQUE_TOKEN = "behind_opaque_token", "Behind an opaque access token"
        CONNECT = "connect", "Made on /connect"

    mint_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(max_length=32, choices=Purpose.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_keys"
    )
    organization_id = models.CharField(max_length=64)
    application = models.ForeignKey(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL, null=True, on_delete=models.SET_NULL
    )
    token_family = models.UUIDField(null=True, db_index=True)
    name = models.CharField(max_length=120, blank=True)
    api_key_id = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001
    checksum = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001
    encrypted_secret = models.TextField(blank=True)
    # PropelAuth may have a key of this mint that we don't know of.
    uncertain = models.BooleanField(default=True, db_index=True)
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "end-user API key"

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} ({self.api_key_id or 'not minted'})"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and self.expires > timezone.now()

    def was_given_out(self) -> bool:
        """Not so when we died between writing down the key and storing the pair."""
        return self.purpose == self.Purpose.CONNECT or self.access_tokens.exists()


class AccessToken(AbstractAccessToken):
    """`kind` is kept per row, so that changing the setting signs nobody out."""

    organization_id = models.CharField(max_length=64)
    role = models.CharField(max_length=64, blank=True)
    token_family = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=16, choices=TokenKind.choices)
    api_key = models.ForeignKey(
        EndUserApiKey, on_delete=models.PROTECT, related_name="access_tokens"
    )
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta(AbstractAccessToken.Meta):
        pass


class RefreshToken(AbstractRefreshToken):
    """Stays after rotation (`rotated_at`) to allow a second use inside the grace period."""

    organization_id = models.CharField(max_length=64)
    expires = models.DateTimeField()
    # When the person signed in; the family ends REFRESH_TOKEN_MAX_LIFETIME later.
    family_started = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True)
    scope = models.TextField(blank=True)

    class Meta(AbstractRefreshToken.Meta):
        pass

    def may_be_used_at(self, now: datetime) -> bool:
        if self.revoked is not None or self.expires <= now:
            return False
        return self.rotated_at is None or now < self.rotated_at + settings.REFRESH_TOKEN_GRACE


class IDToken(AbstractIDToken):
    """Unused: the toolkit wants all its token models in one app."""

    class Meta(AbstractIDToken.Meta):
        pass


class AuthorizationRequestQuerySet(models.QuerySet["AuthorizationRequest"]):
    def consume(self, row: "AuthorizationRequest") -> bool:
        """True for exactly one caller: the callback that may go on."""
        now = timezone.now()
        return bool(
            self.filter(pk=row.pk, consumed_at=None, expires__gt=now).update(consumed_at=now)
        )

    def complete(self, row: "AuthorizationRequest") -> bool:
        """True for exactly one caller: the one that may issue the code."""
        now = timezone.now()
        return bool(
            self.filter(pk=row.pk, completed_at=None, expires__gt=now)
            .exclude(consumed_at=None)
            .update(completed_at=now)
        )


def _sign_in_expiry() -> datetime:
    return timezone.now() + settings.SIGN_IN_LIFETIME


class AuthorizationRequest(models.Model):
    """One sign-in in flight, from our consent page to the code (or, for /connect, the session).

    Bound to the browser by a cookie of its own. Everything another worker needs to go on is here.
    """

    class Purpose(models.TextChoices):
        AUTHORIZE = "authorize", "For an AI client"
        CONNECT = "connect", "For the connect page"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    state_checksum = models.CharField(max_length=64, unique=True)
    browser_checksum = models.CharField(max_length=64)
    encrypted_code_verifier = models.TextField()
    # The client's request as query string, normalised; empty for /connect.
    query = models.TextField(blank=True)
    application = models.ForeignKey(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL, null=True, on_delete=models.CASCADE
    )
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(default=_sign_in_expiry, db_index=True)
    consumed_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    # Set by the callback, for the organization chooser.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE)
    # [{"id": "...", "name": "...", "role": "..."}]
    organizations = models.JSONField(default=list)

    objects = AuthorizationRequestQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}, {self.created:%Y-%m-%d %H:%M}"

    @property
    def is_expired(self) -> bool:
        return self.expires <= timezone.now()


class ConsentQuerySet(models.QuerySet["Consent"]):
    def in_force(self) -> "ConsentQuerySet":
        """Those a client can still use: it holds a refresh token, or a code it may redeem."""
        now = timezone.now()
        tokens = RefreshToken.objects.filter(revoked=None, expires__gt=now)
        codes = Grant.objects.filter(consumed_at=None, expires__gt=now)
        families = Q(token_family__in=tokens.values("token_family"))
        return self.filter(
            families | Q(token_family__in=codes.values("token_family")), ended_at=None
        )


class Consent(models.Model):
    """Somebody allowed a client something; MCP wants a registry of these per user.

    One row a sign-in: the family it began is this consent's use, and ends with it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="consents"
    )
    application = models.ForeignKey(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.CASCADE
    )
    organization_id = models.CharField(max_length=64)
    organization_name = models.CharField(max_length=255)
    redirect_uri = models.TextField()
    scope = models.TextField()
    resource = models.JSONField(default=list)
    token_family = models.UUIDField(unique=True)
    created = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    objects = ConsentQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user} allowed {self.application}"


class DenialQuerySet(models.QuerySet["Denial"]):
    def of(self, *, user_id: object, organization_id: object) -> "DenialQuerySet":
        """Those that keep somebody out; both may be expressions of an outer query."""
        kinds = Denial.Kind
        return self.filter(
            Q(kind=kinds.USER, value=user_id) | Q(kind=kinds.ORGANIZATION, value=organization_id)
        )

    def of_any(
        self, user_ids: Iterable[str], organization_ids: Iterable[str], checksums: Iterable[str]
    ) -> "DenialQuerySet":
        """Those that keep out any of many."""
        kinds = Denial.Kind
        return self.filter(
            Q(kind=kinds.USER, value__in=user_ids)
            | Q(kind=kinds.ORGANIZATION, value__in=organization_ids)
            | Q(kind=kinds.API_KEY, value__in=checksums)
        )

    def of_api_key(self, checksum: str) -> "DenialQuerySet":
        return self.filter(kind=Denial.Kind.API_KEY, value=checksum)


class Denial(models.Model):
    """Somebody kept out of this server whatever PropelAuth says, until the row is deleted."""

    class Kind(models.TextChoices):
        USER = "user", "User, by PropelAuth's id"
        ORGANIZATION = "organization", "Organization, by PropelAuth's id"
        API_KEY = "api_key", "API key that a user brings"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    # A key's SHA-256; an id otherwise.
    value = models.CharField(max_length=255)
    reason = models.CharField(max_length=200)
    created = models.DateTimeField(auto_now_add=True)

    objects = DenialQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "value"], name="oauth_bridge_denied_once")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.reason}"


class RateCounterQuerySet(models.QuerySet["RateCounter"]):
    def count_one(self, bucket: str, per: timedelta) -> int:
        """How many there have been in the window at hand, this one included."""
        with transaction.atomic():
            row, _ = self.get_or_create(bucket=bucket[:200], window=window_of(per))
            self.filter(pk=row.pk).update(count=F("count") + 1)
            row.refresh_from_db()
        return row.count

    def counted(self, bucket: str, per: timedelta) -> int:
        row = self.filter(bucket=bucket[:200], window=window_of(per)).first()
        return row.count if row else 0


def window_of(per: timedelta) -> datetime:
    """The start of the fixed window we are in."""
    now = timezone.now().timestamp()
    return datetime.fromtimestamp(now - now % per.total_seconds(), tz=UTC)


class RateCounter(models.Model):
    """How often something happened in one window of time, counted across workers.

    `bucket` says what and whose: "registrations of 203.0.113.7".
    """

    bucket = models.CharField(max_length=200)
    window = models.DateTimeField(db_index=True)
    count = models.PositiveIntegerField(default=0)

    objects = RateCounterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bucket", "window"], name="oauth_bridge_one_counter")
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.bucket}"


class SecurityEventQuerySet(models.QuerySet["SecurityEvent"]):
    """Append-only: what was recorded isn't changed, and goes only when it is old, or its person."""

    def update(self, **fields: Any) -> int:
        raise TypeError("a security event can't be changed")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("a security event can't be deleted; see delete_recorded_before")

    def delete_recorded_before(self, moment: datetime) -> int:
        return self.filter(at__lt=moment)._forget()

    def _forget(self) -> int:
        """Beside the old ones only those of somebody whose data is deleted: erasure.py."""
        return super().delete()[0]


class SecurityEvent(models.Model):
    """What happened to somebody's access. docs/security.md says when each is recorded.

    People and clients are named as they were, by value: the record outlives their rows.
    """

    class Event(models.TextChoices):
        CLIENT_REGISTERED = "client_registered"
        REGISTRATION_REFUSED = "registration_refused"
        CONSENT_DENIED = "consent_denied"
        SIGN_IN_BEGUN = "sign_in_begun"
        SIGN_IN_FAILED = "sign_in_failed"
        SIGN_IN_COMPLETED = "sign_in_completed"
        TOKEN_ISSUED = "token_issued"
        TOKEN_REFRESHED = "token_refreshed"
        CREDENTIAL_REFUSED = "credential_refused"
        CODE_REPLAYED = "code_replayed"
        REFRESH_TOKEN_REUSED = "refresh_token_reused"
        MEMBERSHIP_LOST = "membership_lost"
        ACCESS_ENDED = "access_ended"
        API_KEY_MADE = "api_key_made"
        API_KEY_DELETED = "api_key_deleted"

    at = models.DateTimeField(default=timezone.now, db_index=True)
    event = models.CharField(max_length=32, choices=Event.choices, db_index=True)
    user_email = models.CharField(max_length=254, blank=True)
    client_id = models.CharField(max_length=255, blank=True)
    client_name = models.CharField(max_length=255, blank=True)
    organization_id = models.CharField(max_length=64, blank=True)
    token_family = models.UUIDField(null=True, db_index=True)
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)
    # Why, for what failed; the reference of the page that was shown, so that both are found.
    reason = models.CharField(max_length=200, blank=True)
    reference = models.CharField(max_length=12, blank=True)

    objects = SecurityEventQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.get_event_display()}, {self.at:%Y-%m-%d %H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("a security event can't be changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("a security event can't be deleted")


class UpstreamDeletionQuerySet(models.QuerySet["UpstreamDeletion"]):
    def lease_due(self, *, lease: timedelta) -> "UpstreamDeletion | None":
        """Claim a deletion that is due and that no other worker is at; None when there is none."""
        now = timezone.now()
        due = self.filter(done_at=None, not_before__lte=now).filter(
            Q(leased_until=None) | Q(leased_until__lte=now)
        )
        for row in due.order_by("not_before")[:5]:
            claimed = self.filter(pk=row.pk, leased_until=row.leased_until).update(
                leased_until=now + lease, attempts=F("attempts") + 1
            )
            if claimed:
                row.attempts += 1
                return row
        return None


class UpstreamDeletion(models.Model):
    """Outbox: an API key to delete at PropelAuth, repeated until it is gone."""

    api_key = models.OneToOneField(EndUserApiKey, on_delete=models.CASCADE)
    not_before = models.DateTimeField(db_index=True)
    attempts = models.PositiveIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    objects = UpstreamDeletionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Delete {self.api_key}"
