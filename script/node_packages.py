"""The clients that tests/interop drives: npm packages, installed when their lock has changed.

A Node is among them, since many a machine's own is too old. npm takes the one for this machine:
Linux or macOS, x64 or arm64.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import environments
import parts
from environments import ROOT, SetupError

FOLDER = ROOT / "tests" / "interop"
LOCK = FOLDER / "package-lock.json"
INSTALLED = FOLDER / "node_modules"


def prepare() -> Path | None:
    """Where they are; None on a user's machine without npm, or of a kind that has no Node there."""
    npm = parts.find_or_install(lambda: shutil.which("npm"), "npm")
    if not npm:
        return None
    if environments.stamp(INSTALLED) != environments.digest(LOCK):
        install(npm)
        (INSTALLED / "installed").write_text(environments.digest(LOCK))
    if (INSTALLED / ".bin" / "node").exists():
        return INSTALLED
    if parts.CI:
        raise SetupError(f"{environments.name(LOCK)} has no Node for this machine")
    return None


def install(npm: str) -> None:
    started = time.monotonic()
    print(f"Installing the npm packages of {environments.name(FOLDER)} ...", flush=True)
    done = subprocess.run(
        [npm, "ci"],
        cwd=FOLDER,
        env=os.environ | {"CI": "true"},  # no progress bar, no question
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout)
        raise SetupError(f"npm could not install {environments.name(LOCK)}")
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)
