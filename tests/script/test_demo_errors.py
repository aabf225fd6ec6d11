"""`script/demo` where it can't start: one clear line, and a status that says so."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.settings import free_port

ROOT = Path(__file__).resolve().parents[2]


def run_demo(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["script/demo", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("option", ["--port", "--sandbox-port"])
def test_a_busy_port_is_named_with_the_option_that_changes_it(tmp_path, option):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        busy = str(listener.getsockname()[1])
        other = "--sandbox-port" if option == "--port" else "--port"
        done = run_demo(option, busy, other, str(free_port()), "--data", str(tmp_path))
    assert done.returncode != 0
    [line] = (done.stdout + done.stderr).strip().splitlines()
    assert f"port {busy} is already in use" in line
    assert option in line


@pytest.mark.parametrize(
    ("answer", "words"),
    [("exit 1", "there is no python3"), (None, "there is no python3"), ("old", "Python 3.9")],
)
def test_a_missing_or_old_python_is_said_in_one_line(tmp_path, answer, words):
    for program in ("sh", "dirname"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    if answer is not None:
        python = tmp_path / "python3"
        # An old Python fails what needs a new one, and tells its version when asked for it.
        old = 'case "$2" in *platform*) echo "Python 3.9.2";; *) exit 1;; esac'
        python.write_text(f"#!/bin/sh\n{old if answer == 'old' else answer}\n")
        python.chmod(0o755)
    done = run_demo(PATH=str(tmp_path))
    assert done.returncode != 0
    [line] = done.stderr.strip().splitlines()
    assert "needs Python 3.11" in line
    assert words in line
