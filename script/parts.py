"""What the tests need besides Python: found on this machine, and in CI installed."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import TypeVar

from environments import SetupError

Found = TypeVar("Found")

CI = os.environ.get("CI") == "true"
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find_or_install(find: Callable[[], Found | None], *packages: str) -> Found | None:
    """None only on a user's machine, where we install nothing: CI must leave nothing out."""
    found = find()
    if found or not CI:
        return found
    apt_install(*packages)
    found = find()
    if not found:
        raise SetupError(f"apt-get installed {packages[0]}, yet it can't be found")
    return found


def find_chromium() -> str | None:
    given = os.environ.get("CHROMIUM")
    if given and not shutil.which(given):
        raise SetupError(f"CHROMIUM names {given}, which can't be run")
    return next(filter(None, map(shutil.which, [given] if given else BROWSERS)), None)


def apt_install(*packages: str) -> None:
    print(f"Installing {' and '.join(packages)} ...", flush=True)
    apt_get("update")
    apt_get("install", "-y", "--no-install-recommends", *packages)


def apt_get(*arguments: str) -> None:
    try:
        done = subprocess.run(
            ["apt-get", "-q", *arguments],
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise SetupError(f"CI needs {arguments[-1]}, and there is no apt-get here") from None
    if done.returncode != 0:
        print(done.stdout)
        raise SetupError(f"apt-get {arguments[0]} failed with status {done.returncode}")
