"""`script/demo`: wivmcp on this machine, with stand-ins for PropelAuth and Wiv.

Standard library only; the servers run in the virtual environment that it prepares.
"""

import argparse
import base64
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import environments
from children import Child, Stopped, stop, stop_on_signals, wait_until_ready, watch
from environments import ROOT, SetupError

sys.path.insert(0, str(ROOT))
from sandbox import fixtures

HOST = "127.0.0.1"


def main() -> None:
    options = parse_arguments()
    check_port(options.port, "--port")
    check_port(options.sandbox_port, "--sandbox-port")
    python = environments.prepare(
        ROOT / ".venv", environments.SERVED, enough=(environments.TESTED,)
    )
    os.umask(0o077)
    with exclusive(options.data):
        Demo(options.port, options.sandbox_port, options.data, python).run()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/demo",
        description="Runs wivmcp with stand-ins for PropelAuth and Wiv; Ctrl-C ends everything.",
        epilog="DEMO_ADMIN_PASSWORD sets the password of the superuser `admin`; without it, one is "
        "made up at the first start. The settings of docs/settings.md are taken from the "
        "environment where they make sense here, such as ACCESS_TOKEN_KIND=opaque.",
    )
    parser.add_argument("--port", type=port_number, default=8000, help="wivmcp's (%(default)s)")
    parser.add_argument(
        "--sandbox-port", type=port_number, default=8001, help="the stand-ins' (%(default)s)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT / ".demo",
        metavar="FOLDER",
        help="database, secrets and logs, kept for the next start (.demo)",
    )
    options = parser.parse_args()
    if options.port == options.sandbox_port:
        parser.error(f"--port and --sandbox-port are both {options.port}")
    options.data = options.data.resolve()
    return options


def port_number(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")


def check_port(port: int, option: str) -> None:
    remedy = f"choose another with {option}"
    with socket.socket() as client, socket.socket() as listener:
        # Connections of an earlier run that linger in TIME_WAIT are no hindrance.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # macOS lets one address be bound although a server has the port on all of them.
            if client.connect_ex((HOST, port)) == 0:
                raise OSError
            listener.bind((HOST, port))
        except PermissionError:
            raise SetupError(f"port {port} is reserved; {remedy}") from None
        except OSError:
            raise SetupError(f"port {port} is already in use; {remedy}") from None


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Two demos in one folder would share an SQLite database that is meant for one process."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise SetupError(f"cannot write to {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = f"another demo is running in {environments.name(folder)}"
            raise SetupError(f"{what}; choose another folder with --data") from None
        yield


def kept_secrets(path: Path) -> dict[str, str]:
    """What the first start makes up and later ones read again, in a file for its owner only."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = dict(line.split("=", 1) for line in lines if "=" in line)
    complete = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "ADMIN_PASSWORD": secrets.token_urlsafe(12),
    } | kept
    if complete != kept:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in complete.items())
    return complete


@dataclass(frozen=True)
class Demo:
    port: int
    sandbox_port: int
    data: Path
    python: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://{HOST}:{self.sandbox_port}"

    def run(self) -> None:
        kept = kept_secrets(self.data / "demo.env")
        environment = self.environment(kept)
        password = self.prepare_data(environment, kept["ADMIN_PASSWORD"])
        self.serve(environment, password)

    def environment(self, kept: dict[str, str]) -> dict[str, str]:
        """What the demo decides wins over the user's environment; the rest is handed through."""
        unproxied = ",".join(filter(None, [os.environ.get("NO_PROXY"), HOST, "localhost"]))
        return {
            **os.environ,
            **fixtures.environment(self.sandbox_url),
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": unproxied,
            "no_proxy": unproxied,
            "DJANGO_SETTINGS_MODULE": "wivmcp.settings",
            "PUBLIC_URL": self.url,
            # The pages open at http://localhost too, though only PUBLIC_URL is named anywhere.
            "ALLOWED_HOSTS": "localhost",
            "TRUSTED_PROXY_COUNT": "0",
            "DATABASE_URL": f"sqlite:///{quote(str(self.data / 'wivmcp.sqlite3'))}",
            "SECRET_KEY": kept["SECRET_KEY"],
            "ENCRYPTION_KEYS": kept["ENCRYPTION_KEYS"],
            "HOST": HOST,
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "1",
            "MIGRATE_ON_START": "0",
            "SHUTDOWN_SECONDS": "2",
            "LOG_FORMAT": os.environ.get("LOG_FORMAT", "text"),
        }

    def prepare_data(self, environment: dict[str, str], kept: str) -> str:
        """What the summary says of admin's password."""
        print("Migrating the database and loading the catalog ...", flush=True)
        given = os.environ.get("DEMO_ADMIN_PASSWORD")
        variables = {"DEMO_PASSWORD": given or kept, "DEMO_RESET": "1" if given else "0"}
        done = subprocess.run(
            [self.python, "script/prepare_data.py"],
            cwd=ROOT,
            env=environment | variables,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SetupError("the database could not be prepared; the reason is above")
        if given:
            return "as given in DEMO_ADMIN_PASSWORD"
        if done.stdout.split()[-1:] == ["yes"]:
            return kept
        return "as set at an earlier start (DEMO_ADMIN_PASSWORD sets another)"

    def serve(self, environment: dict[str, str], password: str) -> None:
        print("Starting the sandbox and wivmcp ...", flush=True)
        children: list[Child] = []
        stop_on_signals()
        try:
            children.append(self.start_sandbox(environment))
            children.append(self.start_wivmcp(environment))
            wait_until_ready(children)
            print(self.summary(password), flush=True)
            watch(children)
        except Stopped as stopped:
            print(f"\n{stopped}: ending everything ...", flush=True)
            raise
        finally:
            stop(children)

    def start_sandbox(self, environment: dict[str, str]) -> Child:
        command = [
            *(str(self.python), "-m", "sandbox", "--port", str(self.sandbox_port)),
            *("--redirect-uri", f"{self.url}/oauth/callback"),
        ]
        health = f"{self.sandbox_url}/control/health"
        return Child("the sandbox", command, environment, self.data / "sandbox.log", health)

    def start_wivmcp(self, environment: dict[str, str]) -> Child:
        command = [str(ROOT / "script" / "serve")]
        health = f"{self.url}/readyz"
        return Child("wivmcp", command, environment, self.data / "wivmcp.log", health)

    def summary(self, password: str) -> str:
        data = environments.name(self.data)
        return f"""
wivmcp is running.

  Connect an assistant   {self.url}/connect
  MCP endpoint           {self.url}/mcp
  Admin                  {self.url}/admin/
                         user admin, password {password}
  Sandbox                {self.sandbox_url} (stands in for PropelAuth and Wiv)

  Sign in as one of these; every password is "{fixtures.PASSWORD}":
    {fixtures.ANA_EMAIL:<18} one organization, Admin there
    {fixtures.MAX_EMAIL:<18} three organizations, one of them a service provider
    {fixtures.GUS_EMAIL:<18} one organization, Guest there
    {fixtures.NORA_EMAIL:<18} no organization
    {fixtures.BEA_EMAIL:<18} blocked

  Logs                   {data}/wivmcp.log and sandbox.log

Ctrl-C ends everything."""


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"script/demo: {error}")
    except Stopped as stopped:
        sys.exit(stopped.exit_status)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
