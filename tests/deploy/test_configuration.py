"""The container's environment: complete, known to wivmcp, and without a secret in it."""

import json
import re

import pytest

from tests.deploy.conftest import ROOT, TAG, synthesize

SERVICES = ("wivmcp-app-runner", "wivmcp-ecs-express", "wivmcp-tasks")
# libpq's own; what `createsuperuser --no-input` reads.
NOT_OURS = {"PGPASSWORD", "DJANGO_SUPERUSER_PASSWORD"}


@pytest.fixture(params=SERVICES)
def environment(request, released):
    """Plain values and references to secrets, by name."""
    return of(released, request.param)


def of(stacks, stack):
    if stack == "wivmcp-app-runner":
        source = stacks.only(stack, "AWS::AppRunner::Service")["SourceConfiguration"]
        image = source["ImageRepository"]["ImageConfiguration"]
        return (
            named(image["RuntimeEnvironmentVariables"], "Value"),
            named(image["RuntimeEnvironmentSecrets"], "Value"),
        )
    if stack == "wivmcp-ecs-express":
        container = stacks.only(stack, "AWS::ECS::ExpressGatewayService")["PrimaryContainer"]
    else:
        [container] = stacks.only(stack, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    return named(container["Environment"], "Value"), named(container["Secrets"], "ValueFrom")


def named(pairs, value):
    return {each["Name"]: each[value] for each in pairs}


def settings():
    """Name -> whether it has a default."""
    source = (ROOT / "wivmcp/settings.py").read_text()
    found = re.findall(r'\benv\.\w+\(\s*"([A-Z0-9_]+)"(,?)', source)
    return {name: bool(comma) for name, comma in found}


def test_every_setting_without_a_default_is_given(environment):
    plain, secrets = environment
    required = {name for name, has_default in settings().items() if not has_default}
    assert len(required) >= 8
    assert required <= plain.keys() | secrets.keys()


def test_nothing_is_given_that_nobody_reads(environment):
    plain, secrets = environment
    process = set(re.findall(r"\b[A-Z]+_?[A-Z]+\b", (ROOT / "script/serve").read_text()))
    assert plain.keys() | secrets.keys() <= settings().keys() | process | NOT_OURS
    assert not plain.keys() & secrets.keys()


def test_what_is_secret_is_a_reference(environment):
    plain, secrets = environment
    secret = re.compile("KEY|SECRET|PASSWORD|CLIENT_ID")
    assert not [name for name in plain if secret.search(name)]
    assert {"SECRET_KEY", "ENCRYPTION_KEYS", "PGPASSWORD"} <= secrets.keys()
    for name, value in secrets.items():
        assert "Fn::ImportValue" in json.dumps(value), name


@pytest.mark.parametrize("stack", SERVICES)
def test_a_further_secret_is_a_key_of_the_one_that_is_filled_in(stack, tmp_path):
    names = ["METRICS_TOKEN", "SECRET_KEY_FALLBACKS"]
    plain, secrets = of(synthesize(tmp_path, image_tag=TAG, secret_settings=names), stack)
    assert not plain.keys() & set(names)
    known = secrets["ENCRYPTION_KEYS"]
    for name in names:
        assert json.dumps(secrets[name]) == json.dumps(known).replace("ENCRYPTION_KEYS", name)


def test_the_databases_url_has_no_password(environment):
    plain, secrets = environment
    [start, host, end] = plain["DATABASE_URL"]["Fn::Join"][1]
    assert start == "postgresql://wivmcp@"
    assert "EndpointAddress" in host["Fn::ImportValue"]
    assert end == ":5432/wivmcp?sslmode=require"
    assert secrets["PGPASSWORD"]["Fn::Join"][1][1] == ":password::"


def test_one_proxy_is_trusted_and_the_pools_fit_the_database(environment, parameters):
    plain, _ = environment
    assert plain["TRUSTED_PROXY_COUNT"] == "1"
    given = parameters()
    assert plain["WEB_CONCURRENCY"] == str(given.workers)
    assert plain["DATABASE_POOL_SIZE"] == str(given.pool_size)


def test_only_the_tasks_know_the_first_admins_password(released):
    knowing = [name for name in SERVICES if "DJANGO_SUPERUSER_PASSWORD" in of(released, name)[1]]
    assert knowing == ["wivmcp-tasks"]


def test_no_template_names_an_account(released):
    for name, template in released.templates.items():
        assert not re.search(r"\b\d{12}\b", json.dumps(template)), name
