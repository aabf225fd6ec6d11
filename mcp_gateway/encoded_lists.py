"""Which bytes does `tools/list` answer with?

Made once for all who see the same tools, as long as the catalog doesn't change: checking and
encoding 26 tools takes the SDK ten times as long as everything else of the request.
"""

from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

# Of some 30 kB each; more than there are kinds of callers.
KEPT = 100

Key = tuple[str, str | None, tuple[str, ...]]


class EncodedLists:
    """Results as JSON, by protocol version, cursor and the names of all tools that are visible."""

    def __init__(self) -> None:
        self._version: UUID | None = None
        self._by_key: OrderedDict[Key, bytes] = OrderedDict()

    def find(self, version: UUID | None, key: Key) -> bytes | None:
        """`version` is the catalog's."""
        if version != self._version:
            self._version = version
            self._by_key.clear()
        if (encoded := self._by_key.get(key)) is not None:
            self._by_key.move_to_end(key)
        return encoded

    def keep(self, version: UUID | None, key: Key, encoded: bytes) -> None:
        if version != self._version:  # changed while it was made
            return
        self._by_key[key] = encoded
        if len(self._by_key) > KEPT:
            self._by_key.popitem(last=False)


def key_of(protocol_version: str, cursor: str | None, names: Sequence[str]) -> Key:
    return protocol_version, cursor, tuple(names)
