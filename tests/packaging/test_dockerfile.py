"""The image's rules, read from the Dockerfile; script/rehearse_image.py carries it out."""

import re

import pytest

from tests.packaging.scripts import ROOT

import dockerfile  # isort: skip

STAGES = dockerfile.read()
PACKAGES, IMAGE = STAGES
SECRET = re.compile("KEY|SECRET|PASSWORD|TOKEN|CREDENTIAL", re.IGNORECASE)


def test_packages_are_pinned_by_hash_and_come_as_wheels():
    [install] = [each.text for each in PACKAGES.of("RUN") if "pip install" in each.text]
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert install.endswith("-r /requirements.txt")
    pins = re.findall(r"^[\w.-]+(?:\[[\w,]+\])?==", (ROOT / "requirements.txt").read_text(), re.M)
    assert len(pins) > 20


def test_nothing_is_installed_or_built_in_the_image_itself():
    tools = r"\b(apt-get|apt|apk|dnf|yum|pip|gcc|make|curl|wget|git)\b"
    assert not [each.text for each in IMAGE.of("RUN") if re.search(tools, each.text)]
    assert all(each.base == "python:${PYTHON_VERSION}-slim" for each in STAGES)


def test_the_image_runs_as_somebody_a_platform_can_see_is_not_root():
    users = [each.text for each in IMAGE.of("USER")]
    assert re.fullmatch(r"([1-9]\d*):([1-9]\d*)", users[-1])
    keywords = [each.keyword for each in IMAGE.instructions]
    after = keywords[len(keywords) - 1 - keywords[::-1].index("USER") :]
    assert not {"RUN", "COPY", "ADD"} & set(after)


def test_it_listens_on_8080():
    assert IMAGE.variables()["PORT"] == "8080"
    assert [each.text for each in IMAGE.of("EXPOSE")] == ["8080"]
    assert IMAGE.variables()["HOST"] == "0.0.0.0"


def test_its_server_is_process_1_so_that_signals_reach_it():
    assert IMAGE.last("CMD").text.startswith("[")
    assert IMAGE.last("CMD").words == ["script/serve"]
    last = (ROOT / "script/serve").read_text().split("\n\n")[-1]
    assert last.startswith("exec python")


def test_its_health_is_checked_without_another_program():
    command = IMAGE.health_command()
    assert command[0] == "python"
    assert "/healthz" in command[-1]


@pytest.mark.parametrize("keyword", ["ENV", "ARG"])
def test_no_secret_is_built_in(keyword):
    words = [word for stage in STAGES for each in stage.of(keyword) for word in each.words]
    assert not [word for word in words if SECRET.search(word.partition("=")[0])]


def test_only_what_the_server_needs_is_admitted():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    admitted = {line[1:] for line in rules if line.startswith("!")}
    assert admitted == {
        *("requirements.txt", "manage.py", "pyproject.toml"),
        *("wivmcp", "oauth_bridge", "mcp_gateway", "connect", "telemetry", "templates"),
        *("script/serve", "script/release", "script/collectstatic"),
    }
    assert not [name for name in admitted if not (ROOT / name).exists()]
