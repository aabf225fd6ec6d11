"""What does the sandbox hold? Everything that `POST /control/reset` sets back to the seed."""

from collections.abc import Sequence

from sandbox import fixtures, seed
from sandbox.clock import Clock
from sandbox.propelauth.api_keys import ApiKeys
from sandbox.propelauth.directory import Directory
from sandbox.propelauth.grants import Grants
from sandbox.propelauth.jwts import Signer
from sandbox.wiv.tenant import Tenant


class Sandbox:
    clock: Clock
    directory: Directory
    grants: Grants
    api_keys: ApiKeys
    tenants: dict[str, Tenant]  # by PropelAuth's org_id

    def __init__(self, redirect_uris: Sequence[str] = fixtures.REDIRECT_URIS) -> None:
        self._redirect_uris = list(redirect_uris)
        # The signing key outlives a reset: whoever fetched the JWKS may keep it.
        self.signer = Signer()
        self.reset()

    def reset(self) -> None:
        self.clock = Clock()
        self.directory = Directory()
        self.grants = Grants(self._redirect_uris)
        self.api_keys = ApiKeys(self.directory)
        self.tenants = seed.tenants(self.clock.now())
