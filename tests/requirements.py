"""Optional parts of the machine: skipped loudly where missing, a failure where all are required."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def missing(what: str) -> None:
    """In CI (REQUIRE_ALL=1) nothing may be missing."""
    if os.environ.get("REQUIRE_ALL"):
        pytest.fail(f"{what} is missing, and REQUIRE_ALL is set")
    pytest.skip(f"{what} is missing")


def sdk1_python() -> str:
    """The Python that has the MCP SDK 1.x; `script/test` makes it."""
    python = os.environ.get("SDK1_PYTHON", str(ROOT / ".venv-sdk1" / "bin" / "python"))
    if not Path(python).exists():
        missing("a Python with the MCP SDK 1.x (SDK1_PYTHON)")
    return python


def node_packages() -> Path:
    """The folder of the npm packages, with a Node of its own; `script/test` installs them."""
    packages = ROOT / "tests" / "interop" / "node_modules"
    if not (packages / ".bin" / "node").exists():
        missing("the npm packages of tests/interop")
    return packages


def chromium() -> str:
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    for name in filter(None, names):
        if path := shutil.which(name):
            return path
    missing("Chromium")
    raise AssertionError  # missing() doesn't return


def require_postgresql() -> None:
    """Its programs, for a server that a test may restart."""
    from postgresql import find_binaries

    if not find_binaries():
        missing("PostgreSQL")


def postgresql_url() -> str:
    """A PostgreSQL server on which databases may be created; `script/test` starts one."""
    url = os.environ.get("POSTGRESQL_URL", "")
    if not url:
        missing("PostgreSQL (POSTGRESQL_URL)")
    return url
