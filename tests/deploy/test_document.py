"""docs/deploy.md against the stacks: names, outputs and secrets are those that are made."""

import json
import re

from deploy.configuration import FILLED_IN
from tests.deploy.conftest import ROOT

TEXT = (ROOT / "docs/deploy.md").read_text()


def test_every_stack_is_listed_and_no_other_is_named(released):
    rows = re.findall(r"^\| `(wivmcp-[\w-]+)` \|", TEXT, re.MULTILINE)
    assert set(rows) == set(released.templates)
    assert set(re.findall(r"\bwivmcp-[a-z-]+[a-z]", TEXT)) == set(released.templates)


def test_the_json_object_to_fill_in_has_the_keys_that_are_read():
    [block] = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert tuple(json.loads(block)) == FILLED_IN


def test_the_outputs_it_speaks_of_are_made(released):
    def outputs(stack):
        return set(released.templates[stack].get("Outputs", {}))

    assert "ReleaseRole" in outputs("wivmcp-registry")
    assert {"DatabaseInstance", "DatabaseSecret"} <= outputs("wivmcp-foundation")
    assert outputs("wivmcp-app-runner") == {"ServiceArn", "Domain"}
    assert {"ServiceArn", "Domain", "LoadBalancer", "Listener", "ListenerRule"} == outputs(
        "wivmcp-ecs-express"
    )


def test_the_secrets_it_names_are_made(released):
    made = {
        each["Name"]
        for each in released.resources("wivmcp-foundation", "AWS::SecretsManager::Secret")
        if "Name" in each
    }
    assert set(re.findall(r"--secret-id (wivmcp/[\w-]+)", TEXT)) <= made


def test_the_connections_it_adds_up_are_those_of_the_parameters(parameters):
    given = parameters()
    factors = (2, given.copies_at_most, given.workers, given.pool_size + 2)
    product = " \N{MULTIPLICATION SIGN} ".join(map(str, factors))
    assert f"{product} + 15 = {given.connections_at_most} of {given.max_connections}" in TEXT
