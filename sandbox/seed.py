"""Which data does Wiv start with? The same in every process, and another for every tenant.

Acme is the rich one: 12 workflows, 5 folders, 4 spaces, 60 executions, 120 cases. The others have
less, with names of their own in every id and account, so that a leak between tenants shows. The
story ends on `fixtures.TODAY`. Nothing here is random: each tenant's generator has a fixed seed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

from sandbox import fixtures
from sandbox.clock import iso_8601
from sandbox.wiv.tenant import Document, Execution, Progress, Tenant

TODAY = datetime.fromisoformat(fixtures.TODAY).replace(hour=2, tzinfo=UTC)

STATUS_WEIGHTS = {
    "To Do": 46,
    "Acknowledged": 12,
    "In Progress": 14,
    "Exclude": 5,
    "Completed": 11,
    "Verified": 9,
    "Expired": 3,
}
CLOSED = ("Completed", "Verified", "Expired")

PROVIDER_REGIONS = {
    "aws": ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1"),
    "azure": ("westeurope", "eastus", "northeurope"),
    "gcp": ("europe-west1", "us-central1"),
}


@dataclass(frozen=True)
class CaseType:
    name: str
    cloud_provider: str
    service: str
    service_group: str
    criteria: str
    effort: str
    savings: tuple[int, int]  # US dollars a year, from and to
    resource: str  # the beginning of a resource id
    is_global: bool = False


# fmt: off
CASE_TYPES = (
    CaseType("EC2 Stopped Instances", "aws", "Amazon EC2", "Compute",
             "Stopped for more than 30 days with volumes attached", "Low", (120, 2400), "i-"),
    CaseType("EC2 Rightsizing", "aws", "Amazon EC2", "Compute",
             "CPU below 20% and memory below 40% for 14 days", "Medium", (600, 14000), "i-"),
    CaseType("Unattached EBS Volumes", "aws", "Amazon EBS", "Storage",
             "Not attached to any instance for 14 days", "Low", (60, 1800), "vol-"),
    CaseType("EBS gp2 to gp3 Migration", "aws", "Amazon EBS", "Storage",
             "Volume type gp2 with a baseline below 3000 IOPS", "Low", (40, 900), "vol-"),
    CaseType("RDS Idle Instances", "aws", "Amazon RDS", "Database",
             "No connection for 7 days", "Medium", (900, 11000), "db-"),
    CaseType("S3 Lifecycle Missing", "aws", "Amazon S3", "Storage",
             "More than 1 TB in Standard, unread for 90 days",
             "Medium", (300, 9000), "arn:aws:s3:::", is_global=True),
    CaseType("Compute Savings Plan Coverage", "aws", "AWS Savings Plans", "Commitments",
             "On-demand spend above the recommended commitment",
             "High", (8000, 60000), "sp-", is_global=True),
    CaseType("Azure Idle VMs", "azure", "Azure Virtual Machines", "Compute",
             "CPU below 3% for 14 days", "Low", (400, 7000), "vm-"),
    CaseType("Azure Unattached Disks", "azure", "Azure Managed Disks", "Storage",
             "Not attached to any virtual machine for 30 days", "Low", (80, 1500), "disk-"),
    CaseType("Azure SQL Overprovisioned DTUs", "azure", "Azure SQL Database", "Database",
             "DTU use below 15% for 30 days", "Medium", (700, 8000), "sql-"),
    CaseType("GKE Idle Node Pools", "gcp", "Google Kubernetes Engine", "Containers",
             "No pods beyond the system's own for 7 days", "Medium", (1200, 16000), "np-"),
    CaseType("GCP Idle Static IPs", "gcp", "Google VPC Network", "Network",
             "Reserved and unused for 30 days", "Low", (80, 400), "ip-"),
)
# fmt: on


@dataclass(frozen=True)
class Account:
    account_id: str
    account_name: str
    cloud_provider: str


@dataclass(frozen=True)
class Cast:
    """Who and what a tenant's cases are about."""

    accounts: tuple[Account, ...]
    owners: tuple[str | None, ...]
    first_case: int
    cases: int


ACME_CAST = Cast(
    accounts=(
        Account("210987654321", "acme-production", "aws"),
        Account("210987654322", "acme-staging", "aws"),
        Account("210987654323", "acme-data-platform", "aws"),
        Account("8f1c2f6e-5a0b-4c3d-9e7f-1a2b3c4d5e6f", "acme-corporate-it", "azure"),
        Account("acme-ml-research", "acme-ml-research", "gcp"),
    ),
    owners=(
        "ana@acme.test",
        "bea@acme.test",
        "platform@acme.test",
        "data@acme.test",
        "it@acme.test",
        None,
    ),
    first_case=10001,
    cases=120,
)


def tenants(now: float) -> dict[str, Tenant]:
    """{org_id: Tenant}; `now` is when the runs that are still open begin to move."""
    built = {
        fixtures.ACME: _acme(now),
        fixtures.MSP: _small_tenant(fixtures.MSP, "Orbit MSP", 20001, 12, now),
        fixtures.NORTHWIND: _small_tenant(fixtures.NORTHWIND, "Northwind Traders", 30001, 34, now),
        fixtures.CONTOSO: _small_tenant(fixtures.CONTOSO, "Contoso Ltd", 40001, 18, now),
        fixtures.FABRIKAM: _small_tenant(fixtures.FABRIKAM, "Fabrikam Inc", 50001, 26, now),
        fixtures.TAILWIND: _small_tenant(fixtures.TAILWIND, "Tailwind Toys", 60001, 9, now),
    }
    by_tenant_id = {tenant.tenant_id: tenant for tenant in built.values()}
    built[fixtures.MSP].customers = [by_tenant_id[name] for name in fixtures.MSP_CUSTOMER_IDS]
    return built


# Acme

_ACME_SPACES = (
    ("spc_1", "FinOps", "Savings, reports and everything finance asks for", True),
    ("spc_2", "Operations", "Day-to-day hygiene of the cloud accounts", False),
    ("spc_3", "Data Platform", "Warehouses, pipelines and their bills", False),
    ("spc_4", "Sandbox", "Experiments; nothing here touches production", False),
)
_ACME_MEMBERS = (
    ("ana@acme.test", "bea@acme.test", "gus@acme.test"),
    ("ana@acme.test", "platform@acme.test"),
    ("ana@acme.test", "data@acme.test"),
    ("ana@acme.test",),
)
# id, name, parent, space
_ACME_FOLDERS = (
    ("fld_1", "Finance reports", None, "spc_1"),
    ("fld_2", "Month end", "fld_1", "spc_1"),
    ("fld_3", "Waste clean-up", None, "spc_2"),
    ("fld_4", "Approvals", None, "spc_2"),
    ("fld_5", "Warehouse", None, "spc_3"),
)

_CUSTOMER_INPUT = {
    "type": "object",
    "properties": {
        "customer": {"type": "string", "description": "Name as it's on the invoice"},
        "month": {"type": "string", "description": "YYYY-MM; last month if left out"},
    },
    "required": ["customer"],
}
_ACCOUNT_INPUT = {
    "type": "object",
    "properties": {
        "account_id": {"type": "string", "description": "Only this account; all if left out"},
        "dry_run": {"type": "boolean", "default": True},
    },
}
_NO_INPUT: Document = {"type": "object", "properties": {}}


@dataclass(frozen=True)
class Flow:
    workflow_id: str
    name: str
    description: str
    space_id: str
    folder_id: str | None
    schedule: str | None
    tags: str  # separated by spaces
    steps: str  # "Collect costs: AWS Cost Explorer; Mail finance: Send Email"
    input_schema: Document
    active: bool = True
    trigger_type: str = "SCHEDULE"


_ACME_FLOWS = (
    Flow(
        fixtures.MONTHLY_REPORT,
        "Monthly report to finance",
        "Collects last month's costs and savings and mails them to finance.",
        "spc_1",
        "fld_1",
        "0 6 1 * *",
        "finance report",
        "Collect costs: AWS Cost Explorer; Collect savings: Collect; "
        "Write the report: Google Sheets; Mail finance: Send Email",
        _CUSTOMER_INPUT,
    ),
    Flow(
        "wf_2c81",
        "Weekly savings digest",
        "Posts the ten biggest open cases to Slack every Monday.",
        "spc_1",
        "fld_1",
        "0 8 * * 1",
        "report slack",
        "Top ten cases: Collect; Post to #finops: Slack Message",
        _NO_INPUT,
    ),
    Flow(
        "wf_90de",
        "Close the month",
        "Freezes tags, allocates shared costs and tells the owners.",
        "spc_1",
        "fld_2",
        "0 4 2 * *",
        "finance month-end",
        "Every cost center: Loop; Allocate shared costs: Flow; Tell the owner: Send Email",
        _CUSTOMER_INPUT,
    ),
    Flow(
        fixtures.ALWAYS_FAILS,
        "Export invoices to the old ERP",
        "Sends invoices to a system that was switched off. Every run fails.",
        "spc_1",
        "fld_2",
        None,
        "finance legacy",
        "Export invoices: HTTP Request",
        _NO_INPUT,
        trigger_type="WEBHOOK",
    ),
    Flow(
        "wf_41bb",
        "Find stopped EC2 instances",
        "Writes a case for each instance that's been stopped for 30 days.",
        "spc_2",
        "fld_3",
        "0 2 * * *",
        "aws waste",
        "Every account: Loop; Describe instances: AWS EC2; Write cases: Write Cases",
        _ACCOUNT_INPUT,
    ),
    Flow(
        "wf_58f0",
        "Delete unattached volumes",
        "Takes a snapshot, then deletes volumes nobody used for 14 days.",
        "spc_2",
        "fld_3",
        "30 2 * * *",
        "aws waste destructive",
        "Take a snapshot: AWS EBS; Wait a day: Wait; Delete the volume: AWS EBS; "
        "Update cases: Update Cases Status",
        _ACCOUNT_INPUT,
    ),
    Flow(
        fixtures.WAITS_FOR_APPROVAL,
        "Rightsize EC2 after approval",
        "Proposes smaller instance types and waits until an owner approves.",
        "spc_2",
        "fld_4",
        None,
        "aws approval",
        "Propose a type: Compute Optimizer; Ask the owner: Approve; Change the type: AWS EC2",
        _ACCOUNT_INPUT,
        trigger_type="MANUAL",
    ),
    Flow(
        "wf_b7c4",
        "Alert on cost anomalies",
        "Compares yesterday's spend with the last four weeks.",
        "spc_2",
        None,
        "0 7 * * *",
        "alert slack",
        "Compare spend: AWS Cost Explorer; Above 20%?: If; Post to #finops: Slack Message",
        _NO_INPUT,
    ),
    Flow(
        "wf_e612",
        "Tag owners from the CMDB",
        "Copies the owner of each resource from the configuration database.",
        "spc_2",
        None,
        None,
        "tags",
        "Read the CMDB: HTTP Request; Tag: Loop",
        _ACCOUNT_INPUT,
        active=False,
        trigger_type="EVENT",
    ),
    Flow(
        "wf_c03a",
        "Suspend idle warehouses",
        "Suspends data warehouses without a query for an hour.",
        "spc_3",
        "fld_5",
        "*/30 * * * *",
        "snowflake",
        "Every warehouse: Loop; Suspend: Snowflake; Comment: Comment",
        _NO_INPUT,
    ),
    Flow(
        "wf_d954",
        "S3 lifecycle review",
        "Writes a case for each bucket with cold data in Standard.",
        "spc_3",
        "fld_5",
        "0 3 * * 0",
        "aws storage",
        "Every bucket: Loop; Write cases: Write Cases",
        _ACCOUNT_INPUT,
    ),
    Flow(
        "wf_1e77",
        "Hello world",
        "The first thing everybody builds.",
        "spc_4",
        None,
        None,
        "",
        "Say hello: Comment",
        _NO_INPUT,
        active=False,
        trigger_type="MANUAL",
    ),
)
# type, id, name, space
_ACME_RESOURCES = (
    ("board", "brd_1", "Savings", "spc_1"),
    ("board", "brd_2", "Compute waste", "spc_2"),
    ("board", "brd_3", "Storage waste", "spc_2"),
    ("board", "brd_4", "Network waste", "spc_2"),
    ("board", "brd_5", "Warehouse", "spc_3"),
    ("datastore", "dst_1", "Budgets 2026", "spc_1"),
    ("datastore", "dst_2", "Owner directory", "spc_2"),
    ("integration", "int_1", "AWS organization 2109", "spc_2"),
    ("integration", "int_2", "Azure corporate tenant", "spc_2"),
    ("integration", "int_3", "Slack acme.slack.test", "spc_1"),
    ("integration", "int_4", "Jira acme.jira.test", "spc_1"),
    ("dashboard", "dsh_1", "Cost by team", "spc_1"),
    ("dashboard", "dsh_2", "Savings pipeline", "spc_1"),
)
_FINISHED_RUNS = 56  # with the four that have ids of their own: 60


def _acme(now: float) -> Tenant:
    tenant = Tenant(fixtures.TENANT_IDS[fixtures.ACME], "Acme Corp")
    for space, members in zip(_ACME_SPACES, _ACME_MEMBERS, strict=True):
        _add_space(tenant, *space, members=list(members))
    for folder in _ACME_FOLDERS:
        _add_folder(tenant, *folder)
    for flow in _ACME_FLOWS:
        _add_workflow(tenant, flow, "ana@acme.test")
    for resource in _ACME_RESOURCES:
        _add_resource(tenant, *resource)
    tenant.final_states = {
        fixtures.ALWAYS_FAILS: "FAILED",
        fixtures.WAITS_FOR_APPROVAL: "WAITING_APPROVAL",
    }
    _add_finished_runs(tenant, _FINISHED_RUNS, "ana@acme.test")
    _add_known_runs(tenant, now)
    _add_cases(tenant, ACME_CAST)
    return tenant


def _add_known_runs(tenant: Tenant, now: float) -> None:
    """The newest runs: one still running, one waiting, one completed, one failed."""
    known = (
        (fixtures.FAILED_EXECUTION, fixtures.ALWAYS_FAILS, ("FAILED",), 95),
        (fixtures.COMPLETED_EXECUTION, fixtures.MONTHLY_REPORT, ("COMPLETED",), 80),
        (fixtures.WAITING_EXECUTION, fixtures.WAITS_FOR_APPROVAL, ("WAITING_APPROVAL",), 40),
        (fixtures.RUNNING_EXECUTION, "wf_58f0", ("RUNNING", "COMPLETED"), 4),
    )
    for execution_id, workflow_id, states, minutes_ago in known:
        started = TODAY - timedelta(minutes=minutes_ago)
        is_over = states[0] in ("COMPLETED", "FAILED")
        tenant.executions.append(
            Execution(
                execution_id,
                workflow_id,
                "MANUAL",
                "ana@acme.test",
                _iso(started),
                {"customer": "ACME Corp"},
                Progress(states, now),
                _iso(started + timedelta(minutes=3)) if is_over else None,
            )
        )


# The smaller tenants


def _small_tenant(org_id: str, name: str, first_case: int, cases: int, now: float) -> Tenant:
    """Two spaces, two folders, four workflows; every name begins with the organization's."""
    tenant = Tenant(fixtures.TENANT_IDS[org_id], name)
    slug = tenant.tenant_id.removeprefix("org_")
    owner = f"finops@{slug}.test"
    spaces = [f"spc_{slug}_{number}" for number in (1, 2)]
    folders = [f"fld_{slug}_{number}" for number in (1, 2)]
    _add_space(tenant, spaces[0], f"{name} FinOps", "", True, members=[owner])
    _add_space(tenant, spaces[1], f"{name} Operations", "", False, members=[owner])
    _add_folder(tenant, folders[0], f"{name} reports", None, spaces[0])
    _add_folder(tenant, folders[1], f"{name} clean-up", None, spaces[1])
    for flow in _small_flows(slug, name, spaces, folders):
        _add_workflow(tenant, flow, owner)
    for number, board in enumerate(("Savings", "Compute waste", "Storage waste"), 1):
        _add_resource(tenant, "board", f"brd_{slug}_{number}", board, spaces[0])
    _add_resource(tenant, "integration", f"int_{slug}_1", f"{name} AWS", spaces[1])
    _add_finished_runs(tenant, 12, owner)
    _add_cases(tenant, _small_cast(slug, owner, first_case, cases))
    return tenant


def _small_flows(slug: str, name: str, spaces: list[str], folders: list[str]) -> list[Flow]:
    steps = "Every account: Loop; Write cases: Write Cases; Tell the owner: Send Email"
    kinds = (
        ("Monthly report", 0, "0 6 1 * *"),
        ("Weekly digest", 0, "0 8 * * 1"),
        ("Find idle resources", 1, "0 2 * * *"),
        ("Clean up test accounts", 1, None),
    )
    return [
        Flow(
            f"wf_{slug}_{number}",
            f"{name}: {title}",
            f"{title} of {name}.",
            spaces[place],
            folders[place],
            schedule,
            slug,
            steps,
            _ACCOUNT_INPUT,
            trigger_type="SCHEDULE" if schedule else "MANUAL",
        )
        for number, (title, place, schedule) in enumerate(kinds, 1)
    ]


def _small_cast(slug: str, owner: str, first_case: int, cases: int) -> Cast:
    digits = str(int(_digest(slug), 16) % 10**11).zfill(11)
    accounts = (
        Account(f"3{digits}", f"{slug}-production", "aws"),
        Account(f"4{digits}", f"{slug}-test", "aws"),
        Account(f"{slug}-subscription", f"{slug}-office", "azure"),
    )
    return Cast(accounts, (owner, f"cloud@{slug}.test", None), first_case, cases)


# One of each


def _add_space(
    tenant: Tenant,
    space_id: str,
    name: str,
    description: str,
    is_default: bool,
    *,
    members: list[str],
) -> None:
    tenant.spaces[space_id] = {
        "space_id": space_id,
        "name": name,
        "description": description,
        "is_default": is_default,
        "members": members,
        "created_at": "2025-09-01T08:00:00.000000Z",
    }


def _add_folder(
    tenant: Tenant, folder_id: str, name: str, parent_id: str | None, space_id: str
) -> None:
    tenant.folders[folder_id] = {
        "folder_id": folder_id,
        "name": name,
        "parent_id": parent_id,
        "space_id": space_id,
    }


def _add_workflow(tenant: Tenant, flow: Flow, created_by: str) -> None:
    rng = Random(f"workflow {flow.workflow_id}")
    created = TODAY - timedelta(days=rng.randrange(60, 300), minutes=rng.randrange(600))
    updated = created + timedelta(days=rng.randrange(1, 50))
    tenant.workflows[flow.workflow_id] = {
        "workflow_id": flow.workflow_id,
        "name": flow.name,
        "description": flow.description,
        "active": flow.active,
        "space_id": flow.space_id,
        "folder_id": flow.folder_id,
        "tags": flow.tags.split(),
        "trigger_type": flow.trigger_type,
        "schedule": flow.schedule,
        "created_by": created_by,
        "created_at": _iso(created),
        "updated_at": _iso(updated),
        "input_schema": flow.input_schema,
        "steps": _steps(flow.steps),
    }


def _steps(steps: str) -> list[Document]:
    """Every workflow begins with an Entry and ends with an Exit."""
    names_and_types = [
        step.split(": ") for step in f"Start: Entry; {steps}; Done: Exit".split("; ")
    ]
    return [
        {"id": f"step_{number}", "name": name, "type": kind}
        for number, (name, kind) in enumerate(names_and_types, 1)
    ]


def _add_resource(
    tenant: Tenant, resource_type: str, resource_id: str, name: str, space_id: str
) -> None:
    tenant.resources.append(
        {"resource_type": resource_type, "id": resource_id, "name": name, "space_id": space_id}
    )


def _add_finished_runs(tenant: Tenant, count: int, run_by: str) -> None:
    """Spread over the last 30 days, oldest first, four of five completed."""
    rng = Random(f"executions {tenant.tenant_id}")
    minutes_ago = sorted((rng.randrange(120, 30 * 24 * 60) for _ in range(count)), reverse=True)
    usual = [flow for flow in tenant.workflows.values() if flow["workflow_id"] not in _UNUSUAL]
    for number, minutes in enumerate(minutes_ago):
        workflow = rng.choice(usual)
        state = rng.choices(("COMPLETED", "FAILED", "STOPPED"), (80, 14, 6))[0]
        started = TODAY - timedelta(minutes=minutes)
        ended = started + timedelta(seconds=rng.randrange(20, 1500))
        is_manual = workflow["trigger_type"] == "MANUAL"
        tenant.executions.append(
            Execution(
                f"exec_{_digest(f'{tenant.tenant_id} {number}')[:12]}",
                workflow["workflow_id"],
                workflow["trigger_type"],
                run_by if is_manual else "scheduler",
                _iso(started),
                {},
                Progress((state,), 0.0),
                _iso(ended),
            )
        )


_UNUSUAL = (fixtures.ALWAYS_FAILS, fixtures.WAITS_FOR_APPROVAL)


def _add_cases(tenant: Tenant, cast: Cast) -> None:
    rng = Random(f"cases {tenant.tenant_id}")
    for number in range(cast.first_case, cast.first_case + cast.cases):
        tenant.cases.append(_case(number, tenant, cast, rng))


def _case(number: int, tenant: Tenant, cast: Cast, rng: Random) -> Document:
    account = rng.choice(cast.accounts)
    kinds = [kind for kind in CASE_TYPES if kind.cloud_provider == account.cloud_provider]
    kind = rng.choice(kinds)
    status = rng.choices(tuple(STATUS_WEIGHTS), tuple(STATUS_WEIGHTS.values()))[0]
    created = TODAY - timedelta(minutes=rng.randrange(30, 90 * 24 * 60))
    age = TODAY - created
    updated = created + age * rng.random() * 0.9
    is_closed = status in CLOSED
    saves = round(kind.savings[0] + (kind.savings[1] - kind.savings[0]) * rng.random() ** 2, 2)
    return {
        "case_id": f"case_{number}",
        "recommendation_id": f"rec_{_digest(f'{tenant.tenant_id} {number}')[:16]}",
        "case_type": kind.name,
        "status": status,
        "lifecycle": "Closed" if is_closed else "Open",
        "is_new": status == "To Do" and age < timedelta(days=7),
        "resource_id": _resource_id(kind, account, rng),
        "region": "Global" if kind.is_global else rng.choice(PROVIDER_REGIONS[kind.cloud_provider]),
        "account_id": account.account_id,
        "account_name": account.account_name,
        "cloud_provider": kind.cloud_provider,
        "owner": rng.choice(cast.owners),
        "annual_potential_savings": saves,
        "cost_impact": round(saves * (1 + rng.random() * 0.6), 2),
        "realized_savings": saves if status in ("Completed", "Verified") else 0.0,
        "currency": "USD",
        "service": kind.service,
        "service_group": kind.service_group,
        "board": f"{kind.service_group} waste" if kind.effort == "Low" else "Savings",
        "criteria": kind.criteria,
        "effort": kind.effort,
        "workflow_id": rng.choice(_case_writers(tenant)),
        "created_at": _iso(created),
        "updated_at": _iso(updated),
        "closed_at": _iso(updated) if is_closed else None,
        "comments_count": rng.randrange(5),
        "external_ticket": _ticket(number, tenant, rng),
    }


def _case_writers(tenant: Tenant) -> list[str]:
    return [
        workflow["workflow_id"]
        for workflow in tenant.workflows.values()
        if any(step["type"] == "Write Cases" for step in workflow["steps"])
    ]


def _resource_id(kind: CaseType, account: Account, rng: Random) -> str:
    if kind.resource.endswith(":::"):
        return f"{kind.resource}{account.account_name}-archive-{rng.randrange(100)}"
    return f"{kind.resource}{rng.getrandbits(68):017x}"


def _ticket(number: int, tenant: Tenant, rng: Random) -> Document | None:
    if rng.random() > 0.25:
        return None
    slug = tenant.tenant_id.removeprefix("org_")
    key = f"{slug[:4].upper()}-{number % 1000 + 100}"
    return {"system": "Jira", "key": key, "url": f"https://{slug}.jira.test/browse/{key}"}


def _iso(moment: datetime) -> str:
    return iso_8601(moment.replace(microsecond=0).timestamp())


def _digest(label: str) -> str:
    return sha256(label.encode()).hexdigest()
