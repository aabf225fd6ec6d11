"""`script/run_task` with a stand-in for the AWS CLI: what it asks for, and how it ends."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARN = "arn:aws:ecs:eu-west-1:acct:task/wivmcp-tasks/0123"
NETWORK = "awsvpcConfiguration={subnets=[subnet-1],securityGroups=[sg-1]}"
AWS = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    print(json.dumps(sys.argv[1:]), file=calls)
said = " ".join(sys.argv[1:])
for part, answer in json.loads(os.environ["ANSWERS"]).items():
    if part in said:
        print(answer)
        break
"""
ANSWERS = {
    "run-task": ARN,
    "exitCode": "0",
    "stoppedReason": "Essential container in task exited",
    "OutputKey=='Network'": NETWORK,
    "OutputKey=='TaskDefinition'": "wivmcp-tasks:7",
    "OutputKey=='LogGroup'": "wivmcp-tasks-Log",
}


@pytest.fixture
def run_task(tmp_path):
    aws = tmp_path / "bin" / "aws"
    aws.parent.mkdir()
    aws.write_text(AWS)
    aws.chmod(aws.stat().st_mode | stat.S_IXUSR)
    calls = tmp_path / "calls"

    def run(*command, **answers):
        variables = {
            "PATH": f"{aws.parent}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(calls),
            "ANSWERS": json.dumps(ANSWERS | answers),
        }
        done = subprocess.run(
            ["script/run_task", *command],
            cwd=ROOT,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        return done, [json.loads(line) for line in calls.read_text().splitlines()]

    return run


def argument(calls, action, option):
    [call] = [each for each in calls if action in each]
    return call[call.index(option) + 1]


def test_without_a_command_it_is_the_release_step(run_task):
    done, calls = run_task()
    assert done.returncode == 0
    assert argument(calls, "run-task", "--overrides") == "{}"
    assert argument(calls, "run-task", "--network-configuration") == NETWORK
    assert argument(calls, "run-task", "--task-definition") == "wivmcp-tasks:7"
    assert argument(calls, "tasks-stopped", "--tasks") == ARN


def test_a_command_is_handed_over_word_by_word(run_task):
    _, calls = run_task("python", "manage.py", "say", 'two words and a "')
    [override] = json.loads(argument(calls, "run-task", "--overrides"))["containerOverrides"]
    assert override == {
        "name": "wivmcp",
        "command": ["python", "manage.py", "say", 'two words and a "'],
    }


@pytest.mark.parametrize(("exit_code", "status"), [("3", 3), ("None", 1)])
def test_a_task_that_fails_fails_the_release(run_task, exit_code, status):
    done, _ = run_task(exitCode=exit_code, stoppedReason="ResourceInitializationError: secret")
    assert done.returncode == status
    assert "ResourceInitializationError: secret" in done.stderr
    assert 'aws logs tail "wivmcp-tasks-Log"' in done.stderr


def test_a_task_that_was_not_started_fails_the_release(run_task):
    done, calls = run_task(**{"run-task": "None"})
    assert done.returncode == 1
    assert not [call for call in calls if "tasks-stopped" in call]
