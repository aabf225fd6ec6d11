"""What is in a container's environment? Plain settings, and secrets by reference."""

from collections.abc import Set
from dataclasses import dataclass

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from deploy.database import Database
from deploy.parameters import ParameterError, Parameters

PORT = 8080

# Keys of the secret wivmcp/settings, a JSON object that the operator fills in. The parameter
# `secret_settings` names others.
FILLED_IN = (
    "ENCRYPTION_KEYS",
    "PROPELAUTH_BACKEND_API_KEY",
    "PROPELAUTH_CLIENT_ID",
    "PROPELAUTH_CLIENT_SECRET",
    "PROPELAUTH_INTROSPECTION_CLIENT_ID",
    "PROPELAUTH_INTROSPECTION_CLIENT_SECRET",
)


@dataclass(frozen=True, slots=True)
class Reference:
    """One value of Secrets Manager; `key` is a JSON object's, "" for the whole."""

    secret: secretsmanager.ISecret
    key: str = ""

    @property
    def value_from(self) -> str:
        """As App Runner and ECS spell it."""
        return f"{self.secret.secret_arn}:{self.key}::" if self.key else self.secret.secret_arn


class Configuration(Construct):
    """`plain` can be read by whoever may look at the stack; `secrets` are resolved when a container
    starts, so a changed one counts from the next deployment on.
    """

    def __init__(
        self, scope: Construct, id: str, database: Database, parameters: Parameters
    ) -> None:
        super().__init__(scope, id)
        ours = {
            "PUBLIC_URL": parameters.public_url,
            "PROPELAUTH_AUTH_URL": parameters.propelauth_auth_url,
            "WIV_API_URL": parameters.wiv_api_url,
            "DATABASE_URL": database.url,
            "DATABASE_POOL_SIZE": str(parameters.pool_size),
            "WEB_CONCURRENCY": str(parameters.workers),
            # App Runner's edge and a load balancer are one each.
            "TRUSTED_PROXY_COUNT": "1",
            "PORT": str(PORT),
        }
        self.plain = parameters.settings | ours
        filled_in = secretsmanager.Secret(
            self,
            "Settings",
            secret_name="wivmcp/settings",
            description="wivmcp: a JSON object, see docs/deploy.md",
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.secrets = {
            **{name: Reference(filled_in, name) for name in FILLED_IN},
            "SECRET_KEY": Reference(self.generated("SecretKey", "wivmcp/secret-key")),
            "PGPASSWORD": Reference(database.secret, "password"),
        }
        further, decided = set(parameters.secret_settings), ours.keys() | self.secrets.keys()
        refuse_given("settings", parameters.settings.keys() & decided)
        refuse_given("secret_settings", further & (decided | self.plain.keys()))
        self.secrets |= {name: Reference(filled_in, name) for name in sorted(further)}
        # For `manage.py createsuperuser --no-input`, and so for the tasks only.
        self.first_admin = Reference(self.generated("FirstAdmin", "wivmcp/first-admin"))

    def generated(self, id: str, name: str) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self,
            id,
            secret_name=name,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=64, exclude_punctuation=True
            ),
            removal_policy=RemovalPolicy.RETAIN,
        )

    def grant_read(self, role: iam.IRole) -> None:
        """What the service needs, and nothing else."""
        secrets = {each.secret.node.path: each.secret for each in self.secrets.values()}
        for secret in secrets.values():
            secret.grant_read(role)


def refuse_given(parameter: str, names: Set[str]) -> None:
    if names:
        raise ParameterError(f"{parameter}: {', '.join(sorted(names))} isn't given there")
