"""`script/conformance`: docs/conformance.md from the tables. Standard library only."""

import sys

from environments import ROOT

sys.path.insert(0, str(ROOT))
from tests.conformance import tables


def main() -> None:
    tables.DOCUMENT.write_text(tables.document(), encoding="utf-8")


if __name__ == "__main__":
    main()
