"""What tests/interop drives and benchmarks/peers measures: npm packages, installed when their lock
has changed.

A Node is among them, since many a machine's own is too old. npm takes the one for this machine:
Linux or macOS, x64 or arm64.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import environments
import parts
from environments import ROOT, SetupError

INTEROP = ROOT / "tests" / "interop"
PEERS = ROOT / "benchmarks" / "peers" / "typescript"


def prepare(folder: Path) -> Path | None:
    """Where they are; None on a user's machine without npm, or of a kind that has no Node there."""
    npm = parts.find_or_install(lambda: shutil.which("npm"), "npm")
    if not npm:
        return None
    installed = install_when_due([npm], folder)
    if (installed / ".bin" / "node").exists():
        return installed
    if parts.CI:
        raise SetupError(f"{environments.name(lock_of(folder))} has no Node for this machine")
    return None


def install_when_due(npm: Sequence[str | Path], folder: Path) -> Path:
    """The folder of what package-lock.json names; the second time, a look."""
    installed, digest = folder / "node_modules", environments.digest(lock_of(folder))
    if environments.stamp(installed) != digest:
        install(npm, folder)
        (installed / "installed").write_text(digest)
    return installed


def lock_of(folder: Path) -> Path:
    return folder / "package-lock.json"


def install(npm: Sequence[str | Path], folder: Path) -> None:
    started = time.monotonic()
    print(f"Installing the npm packages of {environments.name(folder)} ...", flush=True)
    done = subprocess.run(
        [*npm, "ci"],
        cwd=folder,
        env=os.environ | {"CI": "true"},  # no progress bar, no question
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout)
        raise SetupError(f"npm could not install {environments.name(lock_of(folder))}")
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)
