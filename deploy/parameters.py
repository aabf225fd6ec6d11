"""What does an installation on AWS decide? One set of values for every stack."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

FILE = Path(__file__).with_name("parameters.toml")

# A worker's: one looks tokens up, one listens for messages to its streams.
BESIDE_A_POOL = 2
# Beside the pools: three that PostgreSQL keeps for its superuser, RDS' own, and the tasks'.
OTHER_CONNECTIONS = 15
# CloudWatch takes certain numbers and no others; the names are CDK's.
LOG_DAYS = {7: "ONE_WEEK", 30: "ONE_MONTH", 90: "THREE_MONTHS", 365: "ONE_YEAR"}


class ParameterError(ValueError):
    """Its text is for whoever wrote the file: which value, and what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    public_url: str
    propelauth_auth_url: str
    wiv_api_url: str = "https://api.wiv.ai"
    github_repository: str = ""
    # A tag in the registry's repository; empty: the image is built from this checkout.
    image_tag: str = ""
    copies_at_least: int = 2
    copies_at_most: int = 4
    workers: int = 2
    pool_size: int = 10
    max_connections: int = 250
    database_class: str = "t4g.medium"
    database_storage_gib: int = 20
    database_multi_az: bool = True
    backup_days: int = 14
    log_days: int = 90
    # Names; their values are in the secret that the operator fills in.
    secret_settings: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("public_url", "propelauth_auth_url", "wiv_api_url"):
            check_origin(name, getattr(self, name))
        # App Runner's limits, which ECS keeps as well.
        if not 1 <= self.copies_at_least <= self.copies_at_most <= 25:
            raise ParameterError("copies_at_least and copies_at_most must be 1 to 25, in order")
        if self.connections_at_most > self.max_connections:
            raise ParameterError(
                f"max_connections is {self.max_connections}, and {self.connections_at_most} may be "
                "needed while a deployment doubles the copies: lower copies_at_most, workers or "
                "pool_size, or raise max_connections"
            )
        if self.backup_days < 1:
            raise ParameterError("backup_days must be 1 or more: 0 would switch backups off")
        if not all(isinstance(value, str) for value in self.settings.values()):
            raise ParameterError("settings are text: put them into quotes")
        if self.log_days not in LOG_DAYS:
            raise ParameterError(f"log_days must be one of {', '.join(map(str, LOG_DAYS))}")

    @property
    def connections_at_most(self) -> int:
        """A deployment starts the new copies before it ends the old ones."""
        of_a_worker = self.pool_size + BESIDE_A_POOL
        return 2 * self.copies_at_most * self.workers * of_a_worker + OTHER_CONNECTIONS


def check_origin(name: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or url != f"https://{parts.netloc}":
        raise ParameterError(f"{name} must be https://host, without a path or a slash at its end")
    if parts.hostname == "example.com" or parts.hostname.endswith(".example.com"):
        raise ParameterError(f"{name} is still the example: fill in {FILE.parent.name}/{FILE.name}")


def read(file: Path = FILE, image_tag: str = "") -> Parameters:
    """Raises ParameterError."""
    values = tomllib.loads(file.read_text())
    known = {each.name for each in fields(Parameters)} - {"image_tag"}
    if unknown := set(values) - known:
        raise ParameterError(f"{file.name} has no use for {', '.join(sorted(unknown))}")
    return Parameters(**values, image_tag=image_tag)
