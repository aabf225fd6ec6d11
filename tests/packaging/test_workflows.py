"""The GitHub workflows: what may they, in which order, and whose code do they run?"""

import re

import pytest
import yaml

from tests.packaging.scripts import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
BY_FILE = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def load(path):
    """YAML 1.1 reads the key `on` as true."""
    workflow = yaml.safe_load(path.read_text())
    workflow["on"] = workflow.pop(True)
    return workflow


def jobs(path):
    return load(path)["jobs"].values()


def runs(job):
    return [step["run"].strip() for step in job["steps"] if "run" in step]


@pytest.fixture
def deploy():
    return load(ROOT / ".github/workflows/deploy.yml")


def test_there_is_one_for_changes_and_one_for_releases():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "deploy.yml"]


@BY_FILE
def test_it_may_read_the_repository_and_nothing_else(path):
    assert load(path)["permissions"] == {"contents": "read"}


@BY_FILE
def test_other_peoples_actions_are_pinned_by_commit_with_their_version(path):
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses
    for use in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)


@BY_FILE
def test_no_credential_is_left_in_the_checkout_and_no_secret_is_used(path):
    checkouts = [
        step
        for job in jobs(path)
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert len(checkouts) == len(jobs(path))
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert "secrets." not in path.read_text()


@BY_FILE
def test_no_command_is_put_together_from_what_others_name(path):
    """`${{ }}` in a script is code to whoever names a branch or a tag."""
    assert not [run for job in jobs(path) for run in runs(job) if "${{" in run]


@BY_FILE
def test_every_job_ends_and_every_script_it_names_can_be_run(path):
    for job in jobs(path):
        assert job["timeout-minutes"] <= 90
        for script in re.findall(r"^(script/\w+|\.ci/run)", "\n".join(runs(job)), re.MULTILINE):
            assert (ROOT / script).stat().st_mode & 0o111


def test_a_change_is_checked_as_everywhere():
    workflow = load(ROOT / ".github/workflows/ci.yml")
    assert workflow["on"].keys() == {"push", "pull_request"}
    assert runs(workflow["jobs"]["check"]) == [".ci/run"]


def test_only_a_version_tag_deploys(deploy):
    assert deploy["on"] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    assert deploy["concurrency"]["cancel-in-progress"] is False


def test_a_release_is_tested_built_migrated_deployed_and_smoke_tested(deploy):
    test, release = deploy["jobs"]["test"], deploy["jobs"]["deploy"]
    assert runs(test) == [".ci/run"]
    assert release["needs"] == "test"
    order = ["push_image", "cdk deploy wivmcp-tasks", "run_task", 'cdk deploy "$SERVICE', "smoke"]
    assert len(runs(release)) == len(order)
    assert all(part in run for part, run in zip(order, runs(release), strict=True))
    for run in runs(release):
        if "cdk deploy" in run:
            # Alone: the foundation is changed by hand.
            assert "--exclusively" in run
            assert '-c image_tag="$TAG"' in run


def test_only_the_job_that_deploys_gets_a_token_and_only_in_the_protected_environment(deploy):
    from_github = {name: job.get("permissions") for name, job in deploy["jobs"].items()}
    assert from_github == {
        "test": None,
        "deploy": {"contents": "read", "id-token": "write"},
    }
    registry = (ROOT / "deploy/registry.py").read_text()
    assert f'GITHUB_ENVIRONMENT = "{deploy["jobs"]["deploy"]["environment"]}"' in registry
