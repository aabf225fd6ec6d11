"""Which version of this server is running?"""

import tomllib
from importlib import metadata

from django.conf import settings


def find_version() -> str:
    """The installed distribution's, else the checkout's; a bare copy of the code has none."""
    try:
        return metadata.version("wivmcp")
    except metadata.PackageNotFoundError:
        pyproject = settings.BASE_DIR / "pyproject.toml"
    if not pyproject.exists():
        return "unknown"
    return str(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"])
