"""The authorization server's decisions, in oauthlib's terms: which code, token, resource is good?

Differs from the toolkit where open registration and parallel clients need it to: codes are kept as
checksums and stay after use, refresh survives races although tokens are hashed, `resource` is held
against what we serve.
"""

import logging
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from oauth2_provider.models import set_token_value
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request as OAuthRequest
from oauthlib.oauth2.rfc6749 import errors

from oauth_bridge import minting
from oauth_bridge.errors import PropelAuthUnavailable
from oauth_bridge.events import Event, record
from oauth_bridge.families import (
    find_membership,
    last_membership,
    retire,
    revoke_family,
    revoke_token,
)
from oauth_bridge.minting import Mint
from oauth_bridge.models import AccessToken, Application, Consent, Grant, RefreshToken
from oauth_bridge.parameters import is_plain_text
from oauth_bridge.pkce import is_proof
from oauth_bridge.redirect_uris import with_path
from oauth_bridge.resources import canonical_resource, default_resources
from oauth_bridge.secret import checksum

logger = logging.getLogger(__name__)


class Validator(OAuth2Validator):
    def _load_application(self, client_id: str, request: OAuthRequest) -> Application | None:
        """PostgreSQL can't even be asked about a NUL, nor should anything else odd get that far."""
        if not is_plain_text(client_id or ""):
            return None
        application: Application | None = super()._load_application(client_id, request)  # type: ignore[no-untyped-call]
        return application

    # Authorization codes ----------------------------------------------------------------------

    def _create_authorization_code(
        self, request: OAuthRequest, code: dict[str, str], expires: datetime | None = None
    ) -> Grant:
        """The code, and on record what it was agreed to be for.

        `organization`, `resource` and `token_family` arrive as credentials (authorization.py).
        """
        with transaction.atomic():
            self._record_consent(request)
            return self._store_grant(request, code)

    def _record_consent(self, request: OAuthRequest) -> None:
        Consent.objects.create(
            user=request.user,
            application=request.client,
            organization_id=request.organization.id,
            organization_name=request.organization.name[:255],
            redirect_uri=request.redirect_uri,
            scope=" ".join(request.scopes),
            resource=request.resource,
            token_family=request.token_family,
        )

    def _store_grant(self, request: OAuthRequest, code: dict[str, str]) -> Grant:
        grant: Grant = Grant.objects.create(
            application=request.client,
            user=request.user,
            code=checksum(code["code"]),
            expires=timezone.now() + settings.AUTHORIZATION_CODE_LIFETIME,
            redirect_uri=request.redirect_uri,
            scope=" ".join(request.scopes),
            code_challenge=request.code_challenge,
            code_challenge_method=request.code_challenge_method,
            resource=request.resource,
            organization_id=request.organization.id,
            role=request.organization.role,
            token_family=request.token_family,
        )
        return grant

    def validate_code(
        self,
        client_id: str,
        code: str,
        client: Application,
        request: OAuthRequest,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        grant = self._find_grant(code, client)
        if grant is None:
            return False
        if Consent.objects.filter(token_family=grant.token_family).exclude(ended_at=None).exists():
            return False
        if grant.consumed_at is not None:
            if not is_proof(str(request.code_verifier or ""), grant.code_challenge):
                return False  # whoever has only seen the code must not end its owner's sign-in
            # OAuth 2.1 §4.1.3: a code used twice was stolen; what came of it ends.
            logger.warning("authorization code replayed, client %s", client.pk)
            record(
                Event.CODE_REPLAYED,
                user=grant.user,
                application=client,
                token_family=grant.token_family,
            )
            revoke_family(grant.token_family)
            return False
        if grant.expires <= timezone.now() or not grant.user.may_use(grant.organization_id):
            return False
        request.grant = grant
        request.role = grant.role
        request.user = grant.user
        request.scopes = grant.scope.split()
        return True

    def _find_grant(self, code: str, client: Application) -> Grant | None:
        mine = Grant.objects.select_related("user").filter(application=client)
        grant: Grant | None = mine.filter(code=checksum(code)).first()
        return grant

    def get_code_challenge(self, code: str, request: OAuthRequest) -> str:
        return str(request.grant.code_challenge)

    def get_code_challenge_method(self, code: str, request: OAuthRequest) -> str:
        return str(request.grant.code_challenge_method)

    def get_authorization_code_scopes(
        self, client_id: str, code: str, redirect_uri: str, request: OAuthRequest
    ) -> list[str]:
        return str(request.grant.scope).split()

    def get_default_redirect_uri(
        self, client_id: str, request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> str:
        """OAuth 2.1 dropped `redirect_uri` from the token request; the grant knows it."""
        grant = getattr(request, "grant", None)
        if grant is not None:
            return str(grant.redirect_uri)
        default = str(request.client.default_redirect_uri)
        return default if request.client.redirect_uri_allowed(default) else ""

    def confirm_redirect_uri(
        self,
        client_id: str,
        code: str,
        redirect_uri: str,
        client: Application,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        request: OAuthRequest = args[0]
        if not request.grant.redirect_uri_allowed(with_path(redirect_uri)):
            # RFC 6749 §5.2 names this invalid_grant; oauthlib says invalid_request.
            raise errors.InvalidGrantError(request=request)
        self._check_and_set_request_resource(request)
        return True

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> None:
        """Done by save_bearer_token, in the transaction that stores the pair."""

    # Resources (RFC 8707) ---------------------------------------------------------------------

    def _check_and_set_request_resource(self, request: OAuthRequest) -> None:
        granted = self._granted_resources(request)
        asked = [value for name, value in request.decoded_body or [] if name == "resource"]
        canonical = [canonical_resource(value) for value in asked if value]
        if any(value is None or value not in granted for value in canonical):
            raise errors.CustomOAuth2Error(
                error="invalid_target",
                description="The resource wasn't part of the authorization.",
                request=request,
            )
        request.resource = canonical or granted

    def _granted_resources(self, request: OAuthRequest) -> list[str]:
        return list(self._basis(request).resource) or default_resources()

    def _basis(self, request: OAuthRequest) -> Grant | RefreshToken:
        """What a token request stands on; it has the scope and resources that were agreed to."""
        if request.grant_type == "authorization_code":
            grant: Grant = request.grant
            return grant
        refresh_token: RefreshToken = request.refresh_token_instance
        return refresh_token

    # Refresh tokens ---------------------------------------------------------------------------

    def validate_refresh_token(
        self,
        refresh_token: str,
        client: Application,
        request: OAuthRequest,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        token = (
            RefreshToken.objects.select_related("user")
            .filter(token_checksum=checksum(refresh_token), application=client)
            .first()
        )
        if token is None or token.token_family is None:
            return False
        if not token.may_be_used_at(timezone.now()):
            if token.rotated_at is not None and token.revoked is None:
                logger.warning("refresh token reused, client %s", client.pk)
                record(
                    Event.REFRESH_TOKEN_REUSED,
                    user=token.user,
                    application=client,
                    token_family=token.token_family,
                )
                revoke_family(token.token_family)
            return False
        request.is_unconfirmed = False
        try:
            membership = find_membership(token)
        except PropelAuthUnavailable:
            membership = last_membership(token)
            if membership is None:
                raise
            request.is_unconfirmed = True
        if membership is None:
            return False
        request.role = membership.role
        request.user = token.user
        request.refresh_token_instance = token
        self._check_and_set_request_resource(request)
        return True

    def get_original_scopes(
        self, refresh_token: str, request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> str:
        return str(request.refresh_token_instance.scope)

    # Storing ----------------------------------------------------------------------------------

    def save_bearer_token(
        self, token: dict[str, Any], request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> None:
        """Store the pair; undo the mint when the grant is no longer ours to use."""
        try:
            with transaction.atomic():
                started = self._spend(request)
                self._store_pair(token, request, started)
                self._record_issue(request)
        except errors.InvalidGrantError:
            minting.abandon(request.mint)
            raise

    def _record_issue(self, request: OAuthRequest) -> None:
        is_first = request.grant_type == "authorization_code"
        record(
            Event.TOKEN_ISSUED if is_first else Event.TOKEN_REFRESHED,
            user=request.user,
            application=request.client,
            organization_id=request.mint.organization_id,
            token_family=request.mint.token_family,
        )

    def _spend(self, request: OAuthRequest) -> datetime:
        """Use up the code or rotate the refresh token; when the family began."""
        if request.grant_type == "authorization_code":
            return self._consume_grant(request)
        return self._rotate(request)

    def _consume_grant(self, request: OAuthRequest) -> datetime:
        now = timezone.now()
        consumed = Grant.objects.filter(
            pk=request.grant.pk, claim=request.mint.id, consumed_at=None
        ).update(consumed_at=now)
        if not consumed:
            raise errors.InvalidGrantError(request=request)
        return now

    def _rotate(self, request: OAuthRequest) -> datetime:
        now = timezone.now()
        token = RefreshToken.objects.select_for_update().get(pk=request.refresh_token_instance.pk)
        # Decided again under the lock: the family may have been revoked while the key was minted.
        if token.revoked is not None:
            raise errors.InvalidGrantError(request=request)
        if token.rotated_at is None:
            RefreshToken.objects.filter(pk=token.pk).update(rotated_at=now)
            retire(token, after=now + settings.REFRESH_TOKEN_GRACE)
        started: datetime = token.family_started
        return started

    def _store_pair(
        self, token: dict[str, Any], request: OAuthRequest, family_started: datetime
    ) -> None:
        mint: Mint = request.mint
        lifetime = minting.lifetime(mint.kind)
        told = lifetime if mint.is_confirmed else mint.expires - timezone.now()
        token["expires_in"] = int(told.total_seconds())
        access_token = AccessToken(
            user=request.user,
            application=request.client,
            scope=token["scope"],
            expires=mint.expires + minting.ON_ITS_WAY,
            resource=request.resource,
            organization_id=mint.organization_id,
            role=request.role,
            token_family=mint.token_family,
            kind=mint.kind,
            api_key=mint.key,
        )
        set_token_value(access_token, token["access_token"])
        access_token.save()
        minting.hand_over(mint.key)
        refresh_token = RefreshToken(
            user=request.user,
            application=request.client,
            access_token=access_token,
            token_family=mint.token_family,
            resource=self._granted_resources(request),
            organization_id=mint.organization_id,
            # RFC 6749 §6: a narrower access token doesn't narrow the refresh token.
            scope=self._basis(request).scope,
            family_started=family_started,
            expires=min(
                timezone.now() + settings.REFRESH_TOKEN_LIFETIME,
                family_started + settings.REFRESH_TOKEN_MAX_LIFETIME,
            ),
        )
        set_token_value(refresh_token, token["refresh_token"])
        refresh_token.save()

    # Revocation (RFC 7009) --------------------------------------------------------------------

    def revoke_token(
        self,
        token: str,
        token_type_hint: str,
        request: OAuthRequest,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Either token of a pair ends the whole family: the client is done with this sign-in.

        Raises InvalidGrantError for another client's token (RFC 7009 §2.1).
        """
        if not revoke_token(checksum(token), request.client):
            raise errors.InvalidGrantError(request=request)

    def validate_bearer_token(self, token: str, scopes: list[str], request: OAuthRequest) -> bool:
        """None of Django's pages takes a bearer token; the gateway has its own look-up."""
        return False
