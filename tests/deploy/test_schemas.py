"""The templates against CloudFormation's own schemas: properties, types, values, references."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def lint(*templates: Path) -> subprocess.CompletedProcess[str]:
    """Errors only: a warning is, for one, that an output is an import."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--ignore-checks", "W"]
    return subprocess.run(
        [*command, "--regions", "eu-west-1", "--", *map(str, templates)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("assembly", ["released", "built"])
def test_the_templates_are_what_cloudformation_takes(assembly, request):
    templates = sorted(request.getfixturevalue(assembly).folder.glob("*.template.json"))
    assert len(templates) == 5
    done = lint(*templates)
    assert done.returncode == 0, done.stdout


def test_a_property_that_does_not_exist_would_be_seen(released, tmp_path):
    template = json.loads(json.dumps(released.templates["wivmcp-ecs-express"]))
    template["Resources"]["Service"]["Properties"]["Colour"] = "red"
    (tmp_path / "wrong.json").write_text(json.dumps(template))
    done = lint(tmp_path / "wrong.json")
    assert done.returncode != 0
    assert "'Colour' was unexpected" in done.stdout
