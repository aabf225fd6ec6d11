"""A private PostgreSQL for as long as the tests run: found on this machine, started, removed."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from environments import SetupError, last_line

# Nothing here outlives the run, so nothing needs to survive a crash of the machine.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
}


def find_binaries() -> Path | None:
    """The folder that has `initdb` and `pg_ctl`; Debian keeps it off PATH, newest version last."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in folders if has_server(each)), None)


def has_server(folder: Path) -> bool:
    return all((folder / program).exists() for program in ("initdb", "pg_ctl", "postgres"))


@contextmanager
def private_cluster(binaries: Path) -> Iterator[str]:
    """A running server's superuser URL. The server ends and its files go with the context."""
    with restartable_cluster(binaries, keeps_commits=False) as cluster:
        yield cluster.url


@contextmanager
def restartable_cluster(binaries: Path, *, keeps_commits: bool = True) -> Iterator["Cluster"]:
    """The same for who wants to stop it meanwhile, or let it crash without losing a commit."""
    owner = unprivileged_user()
    # Not TMPDIR: root's may be closed to `owner`, and a socket's path has room for 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="wivmcp-postgresql-", dir="/tmp"))
    if owner:
        shutil.chown(folder, owner)
    port, password = free_port(), secrets.token_urlsafe(16)
    cluster = Cluster(binaries, folder, owner, port, password, keeps_commits)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Cluster:
    binaries: Path
    folder: Path
    # Whom its programs run as; None is whoever runs this.
    owner: str | None
    port: int
    # Without one, every account of the machine could be superuser here while the tests run.
    password: str
    keeps_commits: bool

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        if self.owner:
            shutil.chown(password_file, self.owner)
        self.run(
            *("initdb", "--pgdata", self.data, "--username", "postgres", "--no-sync"),
            *("--auth", "scram-sha-256", "--pwfile", password_file),
            *("--encoding", "UTF8", "--no-locale"),
        )
        settings = SETTINGS | {
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "synchronous_commit": "on" if self.keeps_commits else "off",
        }
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        self.resume()

    def resume(self) -> None:
        self.run("pg_ctl", "start", "--pgdata", self.data, "--log", self.folder / "log", "--wait")

    def stop(self, mode: str = "immediate") -> None:
        """ "fast" ends connections and writes down what it has; "immediate" is a crash."""
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "stop", "--pgdata", self.data, "--mode", mode, "--wait")

    def run(self, program: str, *arguments: str | Path) -> None:
        """Output goes to a file: the server inherits it, and a pipe would never see its end."""
        output = self.folder / f"{program}.out"
        with output.open("w") as file:
            done = subprocess.run(
                [self.binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                user=self.owner,
                group=pwd.getpwnam(self.owner).pw_gid if self.owner else None,
                extra_groups=[] if self.owner else None,
                check=False,
            )
        if done.returncode != 0:
            raise SetupError(f"PostgreSQL's {program} failed: {last_line(output.read_text())}")


def unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise SetupError("PostgreSQL does not run as root, and there is no user postgres or nobody")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
