"""The modules of script/, which import each other by their own names."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "script") not in sys.path:
    sys.path.append(str(ROOT / "script"))
