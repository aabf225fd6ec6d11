"""Wiv's routes as its API has them: test data of their own, and not the catalog that is tested.

`wiv_routes.json` names each shipped tool, so it says how many there are, too.
"""

import json
from pathlib import Path
from typing import Any

ROUTES: dict[str, dict[str, Any]] = {
    route["name"]: route for route in json.loads(Path(__file__).with_suffix(".json").read_text())
}
SHIPPED = len(ROUTES)
READING = sum(route["read_only"] for route in ROUTES.values())
