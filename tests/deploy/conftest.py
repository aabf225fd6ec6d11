"""The stacks as they are synthesized: no account, no network and no Docker is asked."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# script/test has another environment; .ci/run has a stage for these.
collect_ignore_glob = [] if importlib.util.find_spec("aws_cdk") else ["test_*.py"]

GIVEN: dict[str, Any] = {
    "public_url": "https://mcp.acme.test",
    "propelauth_auth_url": "https://auth.acme.test",
    "github_repository": "acme/wivmcp",
}
TAG = "v1.2.3"


@dataclass(frozen=True, slots=True)
class Stacks:
    """What `cdk deploy` would get. `folder`: the cloud assembly, with the image's files."""

    folder: Path
    templates: dict[str, Any]

    def template(self, name: str) -> Any:
        """An aws_cdk.assertions.Template."""
        from aws_cdk.assertions import Template

        return Template.from_json(self.templates[name])

    def resources(self, stack: str, kind: str) -> list[dict[str, Any]]:
        """The properties of each resource of a type, "AWS::EC2::Subnet"."""
        found = self.templates[stack]["Resources"].values()
        return [each.get("Properties", {}) for each in found if each["Type"] == kind]

    def only(self, stack: str, kind: str) -> dict[str, Any]:
        [found] = self.resources(stack, kind)
        return found


def synthesize(folder: Path, **parameters: Any) -> Stacks:
    from aws_cdk import App

    from deploy.app import build
    from deploy.parameters import Parameters

    app = App(outdir=str(folder))
    build(app, Parameters(**GIVEN | parameters))
    assembly = app.synth()
    return Stacks(folder, {stack.stack_name: stack.template for stack in assembly.stacks})


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    """As a tag is deployed."""
    return synthesize(tmp_path_factory.mktemp("released"), image_tag=TAG)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    """As a checkout is deployed, without a tag."""
    return synthesize(tmp_path_factory.mktemp("built"))


@pytest.fixture
def parameters() -> Callable[..., Any]:
    from deploy.parameters import Parameters

    return lambda **given: Parameters(**GIVEN | given)
