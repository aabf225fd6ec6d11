"""docs/operations.md as a runbook: its commands, carried out by a shell as they stand there."""

import os
import sys
from pathlib import Path

from tests.docs.markdown import commands, read
from tests.e2e.deployment import run_command

DOCUMENT = "docs/operations.md"


def carry_out(name: str, environment: dict[str, str], data: Path | None = None) -> str:
    """The commands of that name, in an installation whose /data is the folder `data`."""
    script = commands(read(DOCUMENT), name)
    if data is not None:
        assert "/data/" in script
        script = script.replace("/data/", f"{data}/")
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return run_command(["sh", "-euc", script], environment | {"PATH": path})
