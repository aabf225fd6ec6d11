"""Which image the stacks run."""

import json
from pathlib import PurePath

import pytest

from tests.deploy.conftest import ROOT, TAG

RUNS_IT = ("wivmcp-app-runner", "wivmcp-ecs-express", "wivmcp-tasks")


@pytest.mark.parametrize("stack", RUNS_IT)
def test_a_release_is_the_registrys_image_with_that_tag(released, stack):
    assert f"/wivmcp:{TAG}" in json.dumps(released.templates[stack])
    assert not list(released.folder.glob("asset.*"))


def test_a_checkout_is_built_for_the_platform_it_runs_on(built):
    for stack in RUNS_IT:
        assets = json.loads((built.folder / f"{stack}.assets.json").read_text())
        [image] = assets["dockerImages"].values()
        assert image["source"]["platform"] == "linux/amd64"


def test_a_checkouts_image_holds_what_dockerignore_admits(built):
    [folder] = built.folder.glob("asset.*")
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    admitted = {line[1:] for line in lines if line.startswith("!")}
    # What `docker build` reads itself.
    admitted |= {"Dockerfile", ".dockerignore"}
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    strangers = [path for path in files if not is_below(path, admitted)]
    assert not strangers
    assert folder / "manage.py" in folder.iterdir()


def is_below(path: PurePath, admitted: set[str]) -> bool:
    return bool({str(path), *map(str, path.parents)} & admitted)
