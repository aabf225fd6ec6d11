"""docs/operations.md as a runbook: its commands, carried out by a shell as they stand there."""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.markdown import ROOT, commands, read

DOCUMENT = "docs/operations.md"


def carry_out(name: str, environment: dict[str, str], data: Path | None = None) -> str:
    """The commands of that name, in an installation whose /data is the folder `data`."""
    script = commands(read(DOCUMENT), name)
    if data is not None:
        assert "/data/" in script
        script = script.replace("/data/", f"{data}/")
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=ROOT,
        env=environment | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
