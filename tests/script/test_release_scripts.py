"""`script/push_image` and `script/smoke_test` with stand-ins for Docker and the AWS CLI."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_settings_doc import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = "acct.dkr.ecr.eu-west-1.test"
PROGRAM = f"""#!{sys.executable}
import json, os, sys
words = sys.argv[1:]
line = sys.stdin.readline().strip() if "--password-stdin" in words else ""
with open(os.environ["CALLS"], "a") as calls:
    print(json.dumps([words, line]), file=calls)
answers = {{
    "describe-repositories": "{REGISTRY}/wivmcp",
    "get-login-password": "one-time-password",
}}
print(next((answers[word] for word in words if word in answers), ""))
sys.exit(int(os.environ.get("STATUS", 0)))
"""


@pytest.fixture
def run(tmp_path):
    for name in ("docker", "aws"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(PROGRAM)
        program.chmod(0o755)
    calls = tmp_path / "calls"

    def run(*command, **variables):
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PATH": path, "CALLS": str(calls), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = calls.read_text().splitlines() if calls.exists() else []
        return done, [json.loads(line) for line in lines]

    return run


def test_an_image_is_built_for_the_platform_it_runs_on_and_pushed_by_its_tag(run):
    done, calls = run("script/push_image", "v1.2.3")
    assert done.returncode == 0, done.stderr
    docker = [words for words, _ in calls if words[0] in ("build", "login", "tag", "push")]
    assert docker == [
        ["build", "--platform", "linux/amd64", "--tag", "wivmcp:v1.2.3", "."],
        ["login", "--username", "AWS", "--password-stdin", REGISTRY],
        ["tag", "wivmcp:v1.2.3", f"{REGISTRY}/wivmcp:v1.2.3"],
        ["push", f"{REGISTRY}/wivmcp:v1.2.3"],
    ]


def test_the_registrys_password_is_in_no_argument(run):
    _, calls = run("script/push_image", "v1.2.3")
    assert [line for _, line in calls if line] == ["one-time-password"]
    assert "one-time-password" not in str([words for words, _ in calls])


def test_a_build_that_fails_pushes_nothing(run):
    done, calls = run("script/push_image", "v1.2.3", STATUS="1")
    assert done.returncode != 0
    assert not [words for words, _ in calls if "push" in words]


def test_the_smoke_test_gives_the_doctor_the_settings_it_cannot_do_without(run):
    done, [[words, _]] = run("script/smoke_test", "https://mcp.acme.test", "wivmcp:v1")
    assert done.returncode == 0
    given = {word.partition("=")[0] for word in words if "=" in word}
    assert given == {name for name, variable in VARIABLES.items() if variable.is_required}
    doctor = ["wivmcp:v1", "python", "manage.py", "doctor", "https://mcp.acme.test"]
    assert words[-len(doctor) :] == doctor


def test_a_deployment_that_stays_unfit_fails_the_release(run):
    done, calls = run(
        "script/smoke_test", "https://mcp.acme.test", "wivmcp:v1", STATUS="1", SMOKE_TEST_PAUSE="0"
    )
    assert done.returncode == 1
    assert len(calls) == 3


@pytest.mark.parametrize("script", ["script/push_image", "script/smoke_test"])
def test_without_arguments_its_use_is_told(run, script):
    done, calls = run(script)
    assert done.returncode != 0
    assert f"usage: {script}" in done.stderr
    assert not calls
