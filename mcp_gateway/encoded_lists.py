"""Which bytes does `tools/list` answer with?

Made once for all who see the same tools, as long as the catalog doesn't change: checking and
encoding 26 tools takes the SDK ten times as long as everything else of the request.
"""

from collections import OrderedDict
from collections.abc import Sequence

# Of some 30 kB each; more than there are kinds of callers.
KEPT = 100

Key = tuple[str, str | None, tuple[str, ...]]


class EncodedLists:
    """One version of the catalog's, as JSON: by protocol version, cursor and the names of all tools
    that are visible.
    """

    def __init__(self) -> None:
        self._by_key: OrderedDict[Key, bytes] = OrderedDict()

    def find(self, key: Key) -> bytes | None:
        if (encoded := self._by_key.get(key)) is not None:
            self._by_key.move_to_end(key)
        return encoded

    def keep(self, key: Key, encoded: bytes) -> None:
        self._by_key[key] = encoded
        if len(self._by_key) > KEPT:
            self._by_key.popitem(last=False)


def key_of(protocol_version: str, cursor: str | None, names: Sequence[str]) -> Key:
    return protocol_version, cursor, tuple(names)
