"""deploy/parameters.toml: what can't work is refused before anything is asked of AWS."""

import subprocess
import sys

import pytest

from deploy.parameters import FILE, ParameterError, read
from tests.deploy.conftest import GIVEN, ROOT, synthesize


def test_the_file_that_comes_along_asks_to_be_filled_in():
    with pytest.raises(ParameterError, match="public_url is still the example"):
        read()


def test_the_command_says_so_in_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "deploy.app"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "fill in deploy/parameters.toml" in done.stderr


def test_the_file_filled_in_is_read(tmp_path):
    file = tmp_path / "parameters.toml"
    text = FILE.read_text().replace("mcp.example.com", "mcp.acme.test")
    file.write_text(
        text.replace("auth.example.com", "auth.acme.test") + 'ACCESS_TOKEN_KIND = "opaque"\n'
    )
    found = read(file, image_tag="v1")
    assert (found.public_url, found.image_tag) == ("https://mcp.acme.test", "v1")
    assert found.settings == {"ACCESS_TOKEN_KIND": "opaque"}
    assert found.secret_settings == []


def test_a_name_that_nobody_reads_is_refused(tmp_path):
    file = tmp_path / "parameters.toml"
    file.write_text('public_ulr = "https://mcp.acme.test"\n')
    with pytest.raises(ParameterError, match="no use for public_ulr"):
        read(file)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"public_url": "http://mcp.acme.test"}, "public_url must be https"),
        ({"public_url": "https://mcp.acme.test/"}, "without a path or a slash"),
        ({"propelauth_auth_url": "https://"}, "propelauth_auth_url must be https"),
        ({"copies_at_least": 0}, "copies_at_least"),
        ({"copies_at_least": 5, "copies_at_most": 4}, "copies_at_least"),
        ({"copies_at_most": 26}, "copies_at_least"),
        ({"copies_at_most": 8}, "max_connections is 250, and 399 may be needed"),
        ({"pool_size": 20}, "max_connections is 250, and 367 may be needed"),
        ({"backup_days": 0}, "would switch backups off"),
        ({"settings": {"CALLS_PER_MINUTE": 5}}, "settings are text"),
        ({"log_days": 31}, "log_days must be one of 7, 30, 90, 365"),
    ],
)
def test_what_cannot_work_is_refused(parameters, given, complaint):
    with pytest.raises(ParameterError, match=complaint):
        parameters(**given)


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEYS", "DATABASE_URL", "PGPASSWORD"])
def test_no_secret_and_nothing_decided_elsewhere_is_a_setting_there(name, tmp_path):
    with pytest.raises(ParameterError, match=f"{name} isn't given there"):
        synthesize(tmp_path, settings={name: "x"})


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEYS", "PUBLIC_URL", "LOG_LEVEL"])
def test_a_secret_setting_is_named_once(name, tmp_path):
    with pytest.raises(ParameterError, match=f"secret_settings: {name} isn't given there"):
        synthesize(tmp_path, settings={"LOG_LEVEL": "DEBUG"}, secret_settings=[name])


def test_what_the_tests_give_is_enough(parameters):
    assert parameters().public_url == GIVEN["public_url"]
