"""`script/screenshots`: docs/images anew, with Chromium. Standard library only."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import environments
import parts
from environments import ROOT, SetupError

PROGRAM = "tests.e2e.screenshots"


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs" / "images")
    folder = parser.parse_args().folder.resolve()
    chromium = parts.find_chromium()
    if not chromium:
        raise SetupError("install Chromium, or set CHROMIUM")
    python = environments.prepare(ROOT / ".venv", environments.TESTED)
    command = [str(python), "-m", PROGRAM, str(folder)]
    environment = os.environ | {"CHROMIUM": chromium}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        sys.exit(f"script/screenshots: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
