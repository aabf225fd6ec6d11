"""How is each server started, the gateway among them, and how does one reach it?

Each has one process and one worker, and its environment with the versions that its lock names.
"""

import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import TimeoutExpired, check_output

from benchmarks.peers.processes import ProcessTree
from benchmarks.peers.upstream import ROWS
from benchmarks.peers.work import ROOT, openapi_document, tools

sys.path.append(str(ROOT / "script"))  # whose modules import each other
from children import DIRECT, STOP_SECONDS, Child, kill, wait_until_ready
from postgresql import free_port

PEERS_PYTHON = ROOT / ".cache" / "peers" / "bin" / "python"
TYPESCRIPT = Path(__file__).with_name("typescript")
NODE = TYPESCRIPT / "node_modules" / ".bin" / "node"
TOKEN = "benchmark-only"
# As in script/serve.
UVICORN = (
    *("--host", "127.0.0.1", "--lifespan", "on", "--no-proxy-headers", "--no-access-log"),
    *("--no-server-header", "--ws", "none", "--log-level", "warning"),
)
# Its defaults hold a connection to what a person could want; here, all requests come by one.
LIMITS = {"CALLS_PER_MINUTE": "10000000", "REPEATED_CALLS": "10000000"}
GATEWAY, POSTGRESQL = "gateway", "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Subject:
    """`url` is the MCP endpoint's. `about` names the versions."""

    name: str
    url: str
    token: str
    processes: ProcessTree
    about: str


@dataclass(frozen=True, slots=True)
class Site:
    """What all have in common: a folder for logs, the upstream, perhaps a PostgreSQL server."""

    folder: Path
    upstream: str
    postgresql: str | None = None

    def served(self) -> int:
        """How many calls reached the upstream so far."""
        with DIRECT.open(f"{self.upstream}/served", timeout=10) as answer:
            count: int = json.load(answer)
        return count

    def file(self, name: str, content: object) -> str:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return str(path)


class Listening(Child):
    """Ready as soon as it takes connections: a peer may have no route that answers 200."""

    def is_ready(self) -> bool:
        port = int(self.health.rpartition(":")[2])
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0


Start = Callable[[Site], AbstractContextManager[Subject]]


@contextlib.contextmanager
def running(child: Child) -> Iterator[Child]:
    try:
        wait_until_ready([child])
        yield child
    finally:
        child.send(signal.SIGTERM)
        with contextlib.suppress(TimeoutExpired):
            child.process.wait(STOP_SECONDS)
        kill([child])


@contextlib.contextmanager
def site(folder: Path, postgresql: str | None = None, rows: int = ROWS) -> Iterator[Site]:
    """With the upstream running, which answers with so many rows."""
    url = f"http://127.0.0.1:{free_port()}"
    port = url.rpartition(":")[2]
    command = [sys.executable, "-m", "benchmarks.peers.upstream", port, str(rows)]
    child = Listening("the upstream", command, dict(os.environ), folder / "upstream.log", url)
    with running(child):
        yield Site(folder, url, postgresql)


@contextlib.contextmanager
def peer(
    name: str, about: Callable[[], str], command: Callable[[int], Sequence[str]], site: Site
) -> Iterator[Subject]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "PORT": str(port),
        "TOKEN": TOKEN,
        "UPSTREAM": site.upstream,
        "TOOLS": site.file("tools.json", tools()),
        "OPENAPI": site.file("openapi.json", openapi_document(site.upstream)),
    }
    log = site.folder / f"{name.replace(' ', '-')}.log"
    with running(Listening(name, command(port), environment, log, url)) as child:
        yield Subject(name, f"{url}/mcp", TOKEN, ProcessTree(child.process.pid), about())


def uvicorn(python: Path | str, module: str, port: int) -> Sequence[str]:
    app = f"benchmarks.peers.servers.{module}:app"
    return [str(python), "-m", "uvicorn", app, "--port", str(port), *UVICORN]


def versions(python: Path | str, *packages: str) -> str:
    code = "import sys; from importlib.metadata import version as v; "
    code += "print(', '.join(f'{each} {v(each)}' for each in sys.argv[1:]))"
    return check_output([python, "-c", code, *packages], text=True).strip()


def npm_versions() -> str:
    dependencies = json.loads((TYPESCRIPT / "package.json").read_text())["dependencies"]
    named = (f"{name.rpartition('/')[2]} {version}" for name, version in dependencies.items())
    return f"Node {check_output([NODE, '--version'], text=True).strip()}, {', '.join(named)}"


@contextlib.contextmanager
def gateway(
    engine: str,
    kind: str,
    site: Site,
    *,
    name: str = "",
    workers: int = 1,
    fill: Callable[[dict[str, str]], None] = lambda environment: None,
    **more: str,
) -> Iterator[Subject]:
    """As in production, by script/serve: its token was issued by a sign-in and is looked up in the
    database, as are the tools; arguments are validated, calls logged, limits and approvals asked.

    `more` are settings. `fill` is given the server's environment, and puts more into its database.
    """
    from tests.e2e.deployment import empty_database, prepared

    name = name or f"{GATEWAY}, {engine}, {kind}"
    slug = re.sub(r"\W+", "-", name)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"WIV_API_URL": site.upstream, "ACCESS_TOKEN_KIND": kind, "WIV_TIMEOUT": "30"}
    settings["METRICS_TOKEN"] = "m" * 40
    with contextlib.ExitStack() as stack:
        database = f"sqlite:///{site.folder / f'{slug}.sqlite3'}"
        if engine == POSTGRESQL:
            assert site.postgresql
            database = stack.enter_context(empty_database(site.postgresql))
        _, environment = stack.enter_context(prepared(url, database, **settings, **LIMITS, **more))
        fill(environment)
        folders = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
        environment |= {"HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": str(workers)}
        environment |= {"PATH": os.pathsep.join(folders), "SHUTDOWN_SECONDS": "2"}
        log, serve = site.folder / f"{slug}.log", str(ROOT / "script" / "serve")
        child = Child(name, [serve], environment, log, f"{url}/readyz")
        stack.enter_context(running(child))
        token = sign_in(url)
        about = versions(sys.executable, "mcp", "uvicorn", "uvloop", "httptools", "django")
        yield Subject(name, f"{url}/mcp", token, ProcessTree(child.process.pid), about)


def sign_in(url: str) -> str:
    """Through consent and the stand-in for PropelAuth, as a person would; an access token."""
    from sandbox import fixtures
    from tests.oauth_client import OAuthClient
    from tests.robot import Robot

    robot, client = Robot(fixtures.ANA_EMAIL), OAuthClient(url, resource=f"{url}/mcp")
    try:
        token: str = client.sign_in(robot)["access_token"]
    finally:
        robot.close()
        client.http.close()
    return token


SINGLE_FILE, FASTMCP, TYPESCRIPT_SDK, FLOOR = "single file", "FastMCP", "TypeScript SDK", "floor"
SUBJECTS: Mapping[str, Start] = {
    f"{GATEWAY}, SQLite, api_key": partial(gateway, "SQLite", "api_key"),
    f"{GATEWAY}, SQLite, opaque": partial(gateway, "SQLite", "opaque"),
    f"{GATEWAY}, {POSTGRESQL}, api_key": partial(gateway, POSTGRESQL, "api_key"),
    f"{GATEWAY}, {POSTGRESQL}, opaque": partial(gateway, POSTGRESQL, "opaque"),
    SINGLE_FILE: partial(
        peer,
        SINGLE_FILE,
        partial(versions, sys.executable, "mcp", "httpx", "starlette", "uvicorn"),
        partial(uvicorn, sys.executable, "single_file"),
    ),
    FASTMCP: partial(
        peer,
        FASTMCP,
        partial(versions, PEERS_PYTHON, "fastmcp", "mcp", "httpx2", "uvicorn"),
        partial(uvicorn, PEERS_PYTHON, "fastmcp_openapi"),
    ),
    TYPESCRIPT_SDK: partial(
        peer,
        TYPESCRIPT_SDK,
        npm_versions,
        lambda _port: [str(NODE), str(TYPESCRIPT / "server.mjs")],
    ),
    FLOOR: partial(
        peer,
        FLOOR,
        partial(versions, PEERS_PYTHON, "aiohttp", "orjson", "uvicorn"),
        partial(uvicorn, PEERS_PYTHON, "floor"),
    ),
}


def lacking(name: str, site: Site) -> str | None:
    """What this machine needs for it."""
    if POSTGRESQL in name and site.postgresql is None:
        return "PostgreSQL (POSTGRESQL_URL)"
    if name == TYPESCRIPT_SDK and not NODE.exists():
        return "the npm packages of benchmarks/peers/typescript"
    if name in (FASTMCP, FLOOR) and not PEERS_PYTHON.exists():
        return "the packages of requirements-peers.txt"
    return None
