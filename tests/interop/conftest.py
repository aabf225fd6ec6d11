"""Programs of the locked npm packages, each with a robot for its user and a home of its own."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.interop.program import Program, running
from tests.requirements import node_packages

HERE = Path(__file__).parent

RunNode = Callable[..., AbstractContextManager[Program]]


@pytest.fixture
def run_node(browser, tmp_path) -> RunNode:
    """`run_node("mcp-remote/dist/proxy.js", URL)`: a package's script; *.mjs is this folder's."""
    packages = node_packages()
    person = browser()

    def run(script: str, *arguments: str, **variables: str) -> AbstractContextManager[Program]:
        folder = HERE if script.endswith(".mjs") else packages
        command: list[str | Path] = [packages / ".bin" / "node", folder / script, *arguments]
        return running(command, person, tmp_path, **variables)

    return run
