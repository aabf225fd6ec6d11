"""Would the stacks deploy? They are synthesized and looked at; the Dockerfile is linted.

Without an account, Docker and, once everything is installed, without a network.
"""

import subprocess
import sys

import cdk
from environments import ROOT, SetupError

# Its conftest.py would be looked for in tests too, which needs Django.
OPTIONS = ("-c", "tests/deploy/pytest.ini", "--confcutdir=tests/deploy")


def main(arguments: list[str]) -> int:
    python = cdk.prepare()
    environment = cdk.with_node(python)
    linted = subprocess.run([python.with_name("hadolint"), "Dockerfile"], cwd=ROOT, check=False)
    tested = subprocess.run(
        [python, "-m", "pytest", "-q", *OPTIONS, *(arguments or ["tests/deploy"])],
        cwd=ROOT,
        env=environment,
        check=False,
    )
    return linted.returncode or tested.returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(f"script/rehearse_deployment.py: {error}")
