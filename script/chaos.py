"""`script/chaos`: restarts, crashes and outages under steady load, for as long as you like."""

import argparse
import os
import subprocess
import sys

import environments
from environments import ROOT, SetupError

PROGRAM = "tests.chaos"


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="for each kind of token")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="load alone, on one worker")
    options = parser.parse_args()
    python = environments.prepare(ROOT / ".venv", environments.TESTED)
    what, minutes = ("soak", options.soak) if options.soak else ("chaos", options.minutes)
    command = [str(python), "-m", PROGRAM, what, str(minutes)]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        sys.exit(f"script/chaos: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
