"""Which tools exist, what do they say about themselves, and who changed them last?"""

import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import Q
from django.db.models.signals import post_delete, post_save

from mcp_gateway.approvals.policy import Rule
from mcp_gateway.findings import Severity, findings
from mcp_gateway.http_rule import ALL_ARGUMENTS, HttpRule
from mcp_gateway.input_schema import InputSchema, UnusableSchema
from mcp_gateway.jobs.parties import Party, check_parties, check_wait_argument, party_of
from mcp_gateway.jobs.rule import UnusableJob, read_job
from mcp_gateway.parameter_styles import Parameter, UnusableParameter, read_parameters
from mcp_gateway.projection import Projection, UnusableProjection
from oauth_bridge.credentials import Secret, decrypt, encrypt

# App Runner cuts a request at 120 s; looking at the caller's credential takes some of it.
LONGEST_CALL = timedelta(seconds=110)
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
# Where clouds keep instance metadata, and with it the instance's credentials; the second is AWS' by
# IPv6. They speak plain http, so a name that leads there fails at TLS.
LINK_LOCAL = (ip_network("169.254.0.0/16"), ip_network("fd00:ec2::/32"), ip_network("fe80::/10"))
# RFC 9110 section 5.1.
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
FRAMING_HEADER = re.compile(r"(?i)host|content-.*|connection|transfer-encoding|te|upgrade|expect")
# MCP 2026-07-28, "Tool Names".
TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
Row = TypeVar("Row", bound=models.Model)
CONFLICT_OPTIONS = ("ignore_conflicts", "update_conflicts")


class HttpMethod(models.TextChoices):
    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Scope(models.TextChoices):
    READ = "wiv:read", "read (wiv:read)"
    WRITE = "wiv:write", "change (wiv:write)"


class ApprovalRule(models.TextChoices):
    NEVER = Rule.NEVER.value, "never"
    ALWAYS = Rule.ALWAYS.value, "always"
    MATCHING = Rule.MATCHING.value, "when the arguments match"
    OVER_LIMIT = Rule.OVER_LIMIT.value, "over a number of calls an hour"


class Source(models.TextChoices):
    CATALOG = "catalog", "shipped catalog"
    ADMIN = "admin", "made here"


class CatalogVersion(models.Model):
    """One row whose token is new after every change of a tool: how a worker notices.

    Random rather than counted, so that a restored or re-created database can't show a worker a
    number it has seen before.
    """

    SOLE_ID = 1

    token = models.UUIDField(default=uuid4)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="mcp_gateway_one_catalog_version"),
        ]

    def __str__(self) -> str:
        return str(self.token)

    @classmethod
    def current(cls) -> UUID | None:
        return cls.objects.filter(pk=cls.SOLE_ID).values_list("token", flat=True).first()

    @classmethod
    def change(cls) -> None:
        """Call it in the transaction that changes a tool."""
        cls.objects.update_or_create(pk=cls.SOLE_ID, defaults={"token": uuid4()})


class CatalogQuerySet(models.QuerySet[Row]):
    """Writes that send no signals are noticed here, by CatalogVersion and by history."""

    def update(self, **fields: Any) -> int:
        with transaction.atomic(using=self.db), self._noticed():
            return super().update(**fields)

    def bulk_create(self, objs: Iterable[Row], *args: Any, **kwargs: Any) -> list[Row]:
        rows = list(objs)
        may_meet_others = any(args[1:]) or any(map(kwargs.get, CONFLICT_OPTIONS))
        with transaction.atomic(using=self.db), self._noticed(rows, may_meet_others):
            return super().bulk_create(rows, *args, **kwargs)

    def _noticed(
        self, created: Sequence[Row] | None = None, may_meet_others: bool = False
    ) -> AbstractContextManager[None]:
        from mcp_gateway import history  # which builds on this module

        CatalogVersion.change()
        return history.recording_write(self, created, may_meet_others)


class Upstream(models.Model):
    """An API beside Wiv's. Its credential is ours: nobody's Wiv key ever goes there."""

    name = models.SlugField(max_length=64, unique=True)
    title = models.CharField(max_length=128, help_text="What people see.")
    base_url = models.CharField(
        max_length=300, help_text="https://api.example.com/v1, to which each tool's path is added."
    )
    credential_header = models.CharField(
        max_length=64, blank=True, help_text="Authorization, X-API-Key ...; empty for none."
    )
    encrypted_credential = models.TextField(blank=True, editable=False)

    objects = CatalogQuerySet.as_manager()

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        parts = urlsplit(self.base_url)
        is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
        if not (parts.scheme == "https" or is_local) or not parts.hostname or "@" in parts.netloc:
            raise ValidationError({"base_url": "Use https://HOST/PATH."})
        if is_link_local(parts.hostname):
            raise ValidationError({"base_url": "A link-local address: a cloud's own services."})
        if parts.query or parts.fragment or not re.fullmatch(r"[\x21-\x7e]+", self.base_url):
            raise ValidationError({"base_url": "Use https://HOST/PATH, without a query."})
        if self.credential_header and not HEADER_NAME.fullmatch(self.credential_header):
            raise ValidationError({"credential_header": "This is no header name."})
        if FRAMING_HEADER.fullmatch(self.credential_header):
            raise ValidationError({"credential_header": "This header holds no credential."})

    @property
    def credential(self) -> Secret | None:
        """Raises SecretUnreadable."""
        return decrypt(self.encrypted_credential) if self.encrypted_credential else None

    @credential.setter
    def credential(self, credential: Secret | None) -> None:
        self.encrypted_credential = encrypt(credential) if credential else ""


class ToolQuerySet(CatalogQuerySet["Tool"]):
    def served(self) -> "ToolQuerySet":
        """Those that somebody may see: switched on for all, or for some."""
        for_some = Q(pk__in=Availability.objects.filter(enabled=True).values("tool_id"))
        return self.filter(Q(enabled=True) | for_some)


class Tool(models.Model):
    """One MCP tool and the Wiv request behind it."""

    name = models.CharField(
        max_length=128,
        unique=True,
        validators=[RegexValidator(rf"^{TOOL_NAME.pattern}\Z", "Use letters, digits, _ . and -.")],
        help_text="What assistants call it. Renaming it breaks approvals that clients saved.",
    )
    title = models.CharField(max_length=128, help_text="What people see.")
    description = models.TextField(help_text="What the model reads to decide when to use the tool.")
    category = models.SlugField(max_length=64)
    position = models.PositiveIntegerField(default=1000, help_text="Place in the list.")

    http_method = models.CharField(max_length=6, choices=HttpMethod.choices, default=HttpMethod.GET)
    path_template = models.CharField(
        max_length=255, help_text="For example /workflows/{workflow_id}/run"
    )
    query_parameters = models.JSONField(
        default=list, blank=True, help_text="Names of the arguments that go to the query string."
    )
    body = models.CharField(
        max_length=128,
        blank=True,
        help_text="Empty: no body. *: every argument left over. Else: the argument to send.",
    )
    body_wrapper = models.CharField(
        max_length=64, blank=True, help_text='Send the body as {"this key": body}.'
    )
    input_schema = models.JSONField(help_text="JSON Schema 2020-12 of the arguments.")
    parameters = models.JSONField(
        default=dict,
        blank=True,
        help_text='Arguments that are sent in another way than by name: {"id": {"in": "header", '
        '"name": "X-Id"}}. "in" is path, query or header; "style" and "explode" are OpenAPI\'s.',
    )
    upstream = models.ForeignKey(
        Upstream,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="tools",
        help_text="Empty for Wiv.",
    )
    timeout = models.DurationField(
        null=True,
        blank=True,
        help_text="How long a call may take, further attempts included; empty for WIV_TIMEOUT.",
    )

    projection = models.TextField(
        blank=True,
        max_length=2000,
        help_text="JMESPath: what of the answer a model gets to see. Empty for all of it.",
    )
    max_answer_bytes = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Longer answers are cut between rows; empty for ANSWER_MAX_BYTES.",
    )
    untrusted_fields = models.JSONField(
        default=list,
        blank=True,
        help_text="Names of fields, at any depth, whose text third parties write; "
        "models are told so.",
    )

    job = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="What a call starts that goes on after its answer; {} for nothing. For example "
        '{"status_tool": "wiv_get_execution_status", "cancel_tool": "wiv_stop_execution", '
        '"arguments": {"workflow_id": "arguments.workflow_id", "execution_id": '
        '"answer.data.execution_id"}, "state": "data.status", "terminal": ["COMPLETED", "FAILED", '
        '"STOPPED"], "input_required": ["WAITING_APPROVAL"]}. arguments: those of the status tool, '
        "as JMESPath over what the call was given and answered. state: JMESPath over the status "
        "tool's answer. cancel_tool and input_required may be left out.",
    )

    read_only = models.BooleanField(default=False, help_text="Changes nothing in Wiv.")
    destructive = models.BooleanField(default=True, help_text="May overwrite or remove something.")
    idempotent = models.BooleanField(default=False, help_text="Calling twice is the same as once.")
    open_world = models.BooleanField(default=True, help_text="Reaches systems outside this server.")
    required_scope = models.CharField(max_length=32, choices=Scope.choices, default=Scope.WRITE)

    approval = models.CharField(
        "needs its user's approval",
        max_length=10,
        blank=True,
        choices=ApprovalRule.choices,
        default=ApprovalRule.NEVER,
        db_default=ApprovalRule.NEVER,
        help_text="The call waits until its user has said yes on a page of this server.",
    )
    approval_condition = models.TextField(
        blank=True,
        max_length=2000,
        default="",
        db_default="",
        help_text="When the arguments match: JMESPath over them, like contains(keys(@), "
        "'definition') || active == `false`.",
    )
    free_calls = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Over a number of calls an hour: how many one person may make without approval.",
    )
    preview_tool = models.CharField(
        max_length=128,
        blank=True,
        default="",
        db_default="",
        help_text="The read-only tool that reads, by the arguments it requires, what this one "
        "would change: whoever approves sees the difference.",
    )
    preview_object = models.TextField(
        blank=True,
        max_length=2000,
        default="",
        db_default="",
        help_text="JMESPath: the object in that tool's answer. Empty for all of it.",
    )

    enabled = models.BooleanField(
        default=True, help_text="Off: nobody sees it or can call it, but for the exceptions below."
    )
    replaced_by = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        help_text="What a call is told to use while this is switched off.",
    )
    retirement_note = models.CharField(
        max_length=300, blank=True, help_text="What a call is told while this is switched off."
    )
    source = models.CharField(
        max_length=8, choices=Source.choices, default=Source.ADMIN, editable=False
    )
    origin = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="The operation of an OpenAPI document that it was imported from, if any.",
    )
    overridden = models.JSONField(
        default=list,
        blank=True,
        editable=False,
        help_text="Fields an administrator decided; sync_tools leaves them alone.",
    )

    objects = ToolQuerySet.as_manager()
    # By name, where rows come that aren't saved yet: an import's. Else the database is asked.
    known_tools: "Mapping[str, Tool] | None" = None

    class Meta:
        ordering = ["position", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(http_method__in=HttpMethod.values), name="mcp_gateway_tool_http_method"
            ),
            models.CheckConstraint(
                condition=Q(required_scope__in=Scope.values), name="mcp_gateway_tool_required_scope"
            ),
            models.CheckConstraint(
                condition=Q(path_template__startswith="/"), name="mcp_gateway_tool_path_template"
            ),
            models.CheckConstraint(
                condition=Q(read_only=False) | Q(destructive=False),
                name="mcp_gateway_tool_read_only_is_not_destructive",
                violation_error_message="A read-only tool can't be destructive.",
            ),
            models.CheckConstraint(
                condition=Q(read_only=False) | Q(approval=""),
                name="mcp_gateway_tool_read_only_needs_no_approval",
                violation_error_message="A read-only tool needs no approval.",
            ),
            models.CheckConstraint(
                condition=Q(timeout__gt=timedelta(0), timeout__lte=LONGEST_CALL),
                name="mcp_gateway_tool_timeout",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With the signal's write in the same transaction; Django's other writers have one."""
        with transaction.atomic():
            super().save(*args, **kwargs)

    @property
    def http_rule(self) -> HttpRule:
        return HttpRule(
            method=self.http_method,
            path_template=self.path_template,
            query_parameters=tuple(self.query_parameters),
            body=self.body,
            body_wrapper=self.body_wrapper,
            parameters=read_parameters(self.parameters),
        )

    def override(self, fields: Iterable[str]) -> None:
        """Remember that an administrator decided these fields."""
        self.overridden = sorted({*self.overridden, *fields})

    def find_by_name(self, name: str) -> "Tool | None":
        """Another tool, or this one, by its name or a former one."""
        if name == self.name:
            return self
        if self.known_tools is not None:
            return self.known_tools.get(name)
        former = FormerName.objects.filter(name=name).values("tool")
        tools = Tool.objects.select_related("upstream").filter(Q(name=name) | Q(pk__in=former))
        return tools.first()

    def clean(self) -> None:
        """Refuses a row that could not be served. Raises ValidationError with the field's name."""
        clean_timeout(self.timeout)
        clean_input_schema(self.input_schema)
        clean_path_template(self.path_template)
        clean_query_parameters(self.query_parameters)
        clean_parameters(self.parameters)
        clean_http_rule(self.http_rule, self.input_schema)
        clean_definition(vars(self))
        clean_own_headers(self)
        clean_approval(self)
        clean_preview(self)
        clean_name(self)
        clean_replacement(self)
        clean_job(self)


class Availability(models.Model):
    """An exception to a tool's switch, for an organization, a role, or a role in one of them.

    The most specific one that fits decides: both, organization, role, the tool's own switch.
    """

    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="availability")
    organization_id = models.CharField(
        "organization", max_length=64, blank=True, help_text="PropelAuth's id; empty for every one."
    )
    role = models.CharField(
        max_length=64, blank=True, help_text="As PropelAuth names it, like Admin; empty for each."
    )
    enabled = models.BooleanField(default=True)

    objects = CatalogQuerySet.as_manager()

    class Meta:
        verbose_name = "exception"
        constraints = [
            models.UniqueConstraint(
                fields=["tool", "organization_id", "role"], name="mcp_gateway_one_exception"
            ),
            models.CheckConstraint(
                condition=~Q(organization_id="", role=""),
                name="mcp_gateway_exception_for_somebody",
                violation_error_message="Name an organization, a role, or both.",
            ),
        ]

    def __str__(self) -> str:
        whom = " in ".join(filter(None, (self.role, self.organization_id)))
        return f"{'on' if self.enabled else 'off'} for {whom}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As with a tool."""
        with transaction.atomic():
            super().save(*args, **kwargs)


class FormerName(models.Model):
    """A name assistants may still know: they keep lists for up to a day, and prompts for ever."""

    name = models.CharField(max_length=128, unique=True)
    tool = models.ForeignKey(
        Tool,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="former_names",
        help_text="What a call is told to use; empty when there is nothing like it any more.",
    )
    note = models.CharField(max_length=300, blank=True, help_text="What a call is told as well.")

    objects = CatalogQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def remember(cls, name: str, tool: Tool) -> None:
        """Who calls the old name is told the new one."""
        cls.objects.filter(name=tool.name).delete()  # it is in use again
        cls.objects.update_or_create(name=name, defaults={"tool": tool})

    def clean(self) -> None:
        if Tool.objects.filter(name=self.name).exists():
            raise ValidationError({"name": "A tool has this name: calls of it reach that tool."})


class Listing(models.Model):
    """The version of the catalog that one person's client was last given at one URL."""

    client_id = models.CharField(max_length=255)
    client_name = models.CharField(max_length=255, blank=True)
    subject = models.CharField("PropelAuth user id", max_length=128)
    organization_id = models.CharField(max_length=64)
    path = models.CharField(max_length=150)
    version = models.UUIDField(null=True)
    tools = models.PositiveIntegerField()
    listed_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = "connected client"
        constraints = [
            models.UniqueConstraint(
                fields=["client_id", "subject", "organization_id", "path"],
                name="mcp_gateway_one_listing",
            )
        ]

    def __str__(self) -> str:
        return f"{self.client_name or self.client_id} at {self.path}"


class OpenApiDocument(models.Model):
    """A document between its upload and the picks: what a browser sent back isn't trusted."""

    LIFETIME = timedelta(hours=1)

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", editable=False
    )
    upstream = models.ForeignKey(Upstream, null=True, on_delete=models.CASCADE, editable=False)
    text = models.TextField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.pk)


class ToolRevision(models.Model):
    """What a change did to a tool: its definition before and after, by whom and why.

    Written by `history`, whatever the way of the change. `before` is null for a new tool, `after`
    for one that was deleted.
    """

    class Cause(models.TextChoices):
        ADMIN = "admin", "edited"
        SYNC = "sync", "shipped catalog"
        IMPORT = "import", "import"
        REVERT = "revert", "reverted"
        OTHER = "other", "command or shell"

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    cause = models.CharField(max_length=8, choices=Cause.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    tool = models.ForeignKey(Tool, null=True, on_delete=models.SET_NULL, related_name="revisions")
    # As it was then: the row may be renamed, or gone.
    tool_name = models.CharField(max_length=128)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.tool_name}, {self.at:%Y-%m-%d %H:%M}"


def announce_change(**kwargs: Any) -> None:
    """Signals, because loaddata and deletion pass by the model's own methods."""
    CatalogVersion.change()


for _model in (Tool, Availability, FormerName, Upstream):
    post_save.connect(announce_change, sender=_model)
    post_delete.connect(announce_change, sender=_model)


def is_link_local(host: str) -> bool:
    """Also as IPv6 has IPv4's addresses, and in the short forms that resolvers take."""
    try:
        address = ip_address(host.rstrip("."))
    except ValueError:
        try:
            address = ip_address(socket.inet_aton(host))
        except OSError:
            return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in LINK_LOCAL)


def clean_timeout(timeout: timedelta | None) -> None:
    if timeout is not None and not timedelta(0) < timeout <= LONGEST_CALL:
        longest = f"{LONGEST_CALL.total_seconds():g}"
        problem = f"This must be longer than nothing, and at most {longest} s."
        raise ValidationError({"timeout": problem})


def clean_input_schema(schema: object) -> None:
    if not isinstance(schema, Mapping):
        raise ValidationError({"input_schema": "This must be a JSON object."})
    if not isinstance(schema.get("properties", {}), Mapping):
        raise ValidationError({"input_schema": '"properties" must be a JSON object.'})
    try:
        InputSchema(schema)
    except UnusableSchema as error:
        raise ValidationError({"input_schema": str(error)}) from error
    except RecursionError as error:
        raise ValidationError({"input_schema": "This is nested too deeply."}) from error


def clean_path_template(template: str) -> None:
    """The literal parts are sent as they stand, so they must be a path and nothing else."""
    literal = re.sub(r"\{[A-Za-z_][A-Za-z0-9_]*\}", "x", template)
    if not re.fullmatch(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?", literal) or ".." in literal:
        raise ValidationError(
            {"path_template": "Use /segments of letters, digits, . _ ~ - : and {variables}."}
        )


def clean_query_parameters(names: object) -> None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValidationError({"query_parameters": "This must be a list of argument names."})
    if len(set(names)) != len(names):
        raise ValidationError({"query_parameters": "Name each argument once."})


def clean_parameters(parameters: object) -> None:
    try:
        read_parameters(parameters)
    except UnusableParameter as error:
        raise ValidationError({"parameters": str(error)}) from error


def clean_http_rule(rule: HttpRule, schema: Mapping[str, Any]) -> None:
    """Every argument the request is made of must be one that the schema lets a client send."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    for name in rule.path_variables:
        if name not in properties or name not in required:
            raise ValidationError(
                {"path_template": f"{{{name}}} must be a required property of the input schema."}
            )
    for name in rule.query_parameters:
        if name not in properties:
            raise ValidationError({"query_parameters": f"{name} isn't in the input schema."})
    for parameter in rule.parameters:
        clean_parameter(parameter, rule, properties)
    if rule.body not in ("", ALL_ARGUMENTS) and rule.body not in properties:
        raise ValidationError({"body": f"{rule.body} isn't in the input schema."})
    if rule.body_wrapper and not rule.body:
        raise ValidationError({"body_wrapper": "There is no body to wrap."})


def clean_parameter(parameter: Parameter, rule: HttpRule, properties: Mapping[str, Any]) -> None:
    """An argument is sent once, and to where the path template expects it."""
    name, is_variable = parameter.argument, parameter.argument in rule.path_variables
    problem = ""
    if name not in properties:
        problem = "isn't in the input schema."
    elif (parameter.location == "path") != is_variable:
        problem = "must be in the path exactly when the path template names it."
    elif name in rule.query_parameters or name == rule.body:
        problem = "is sent in another place already."
    elif parameter.location == "query" and parameter.name in rule.query_parameters:
        problem = "is sent by another argument's name."
    if problem:
        raise ValidationError({"parameters": f"{name} {problem}"})


def clean_definition(definition: Mapping[str, Any]) -> None:
    """What would fail real clients, all of it at once."""
    problems: dict[str, list[str]] = {}
    for finding in findings(definition):
        if finding.severity == Severity.ERROR:
            problems.setdefault(finding.field, []).append(str(finding))
    if problems:
        raise ValidationError(problems)


def clean_own_headers(tool: Tool) -> None:
    """An argument may not pass for the credential of the API it goes to."""
    own = tool.upstream.credential_header.lower() if tool.upstream else ""
    if own and own in (each.name.lower() for each in read_parameters(tool.parameters)):
        raise ValidationError({"parameters": f"The header {own} is the upstream's credential."})


def clean_approval(tool: Tool) -> None:
    """Each rule has what it asks, and nothing is set that no rule asks."""
    needed = {Rule.MATCHING: "approval_condition", Rule.OVER_LIMIT: "free_calls"}
    for rule, name in needed.items():
        is_set = getattr(tool, name) not in (None, "")
        if is_set and tool.approval != rule:
            raise ValidationError({name: f"This is for “{ApprovalRule(rule).label}” only."})
        if not is_set and tool.approval == rule:
            raise ValidationError({name: f"“{ApprovalRule(rule).label}” needs this."})
    clean_expression("approval_condition", tool.approval_condition)


def clean_preview(tool: Tool) -> None:
    clean_expression("preview_object", tool.preview_object)
    if not tool.preview_tool:
        return
    reader = tool.find_by_name(tool.preview_tool)
    problem = ""
    if reader is None:
        problem = "There is no tool of this name."
    elif not reader.read_only:
        problem = "This isn't a read-only tool."
    elif reader.upstream_id != tool.upstream_id:
        problem = "This tool reads from another upstream."
    elif missing := {*reader.input_schema.get("required", ())} - {
        *tool.input_schema.get("properties", {})
    }:
        problem = f"It requires {', '.join(sorted(missing))}, which this tool has no argument for."
    if problem:
        raise ValidationError({"preview_tool": problem})


def clean_expression(field: str, expression: str) -> None:
    try:
        if expression.strip():
            Projection(expression)
    except UnusableProjection as error:
        raise ValidationError({field: str(error)}) from error


def clean_name(tool: Tool) -> None:
    """A tool may take its own former name back, not another's: calls would reach the wrong one."""
    former = FormerName.objects.filter(name=tool.name).select_related("tool").first()
    if former is not None and (tool.pk is None or former.tool_id != tool.pk):
        whose = f"the former name of {former.tool}" if former.tool else "a former name"
        raise ValidationError({"name": f"This is {whose}; assistants may still know it as that."})


def clean_replacement(tool: Tool) -> None:
    # By name: those that come with an import have no key yet.
    seen, replacement = {tool.name}, tool.replaced_by
    while replacement is not None:
        if replacement.name in seen:
            problem = "A tool can't replace itself, also not through others."
            raise ValidationError({"replaced_by": problem})
        seen.add(replacement.name)
        replacement = replacement.replaced_by


def clean_job(tool: Tool) -> None:
    """As the catalog does it, which serves a row without a job that can't be used."""

    def find(name: str) -> Party | None:
        found = tool.find_by_name(name)
        return party_of(found) if found else None

    try:
        if rule := read_job(tool.job):
            check_parties(rule, party_of(tool), find)
            check_wait_argument(*filter(None, (party_of(tool), find(rule.status_tool))))
    except UnusableJob as error:
        raise ValidationError({"job": str(error)}) from error


# Django finds an app's models through this module.
from mcp_gateway.approvals.models import Approval, HourlyCalls  # noqa: E402, F401
from mcp_gateway.call_log.models import CallChain, CallCount, CallLogEntry  # noqa: E402, F401
from mcp_gateway.conduct.models import Pause, Use  # noqa: E402, F401
from mcp_gateway.streams.models import OpenStream, StreamMessage, StreamWorker  # noqa: E402, F401
