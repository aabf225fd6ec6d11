"""Django's PostgreSQL backend, with the pool of this package."""

from typing import Any

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from wivmcp.postgresql.pool import Pool


class DatabaseWrapper(base.DatabaseWrapper):
    @property
    def pool(self) -> Pool | None:
        """As Django makes its own: one of a process, opened by whoever needs it first."""
        options: dict[str, Any] = self.settings_dict["OPTIONS"].get("pool", {})
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pools: dict[str, Pool] = self._connection_pools  # type: ignore[attr-defined]
        if self.alias not in pools:
            # Django switches it off by itself where a transaction begins.
            kwargs = self.get_connection_params() | {"autocommit": True}
            configure = self._configure_connection  # type: ignore[attr-defined]
            pool = Pool(kwargs=kwargs, open=False, configure=configure, **options)
            pools.setdefault(self.alias, pool)
        return pools[self.alias]
