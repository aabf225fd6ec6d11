"""Would the image work? The Dockerfile's steps on this machine, since CI has no container engine.

Each instruction is carried out in a root directory of its own: the packages from the locked set,
the files that .dockerignore admits, the image's user. What comes of it is started as in production,
after script/release, configured by .env.example, with a read-only root file system. Then its health
check and `manage.py doctor` look at it, with the sandbox in PropelAuth's place.

Where this machine allows no such root, the same steps run in a folder, and what that can't show is
said.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import dockerfile
import environments
import image_root
from children import DIRECT, Child, stop, wait_until_ready
from dockerfile import Stage
from environments import ROOT, SERVED, SetupError
from image_root import ImageRoot
from postgresql import free_port

sys.path.insert(0, str(ROOT))
from sandbox import fixtures

# Clients whose users sit at this machine: a vendor's cloud doesn't reach it.
LOCAL_CLIENTS = ("cursor", "claude-code", "codex", "vs-code", "gemini-cli", "mcp-remote")


class Image(Protocol):
    def command(self, program: list[str], environment: dict[str, str]) -> list[str]:
        """What runs a program in it, as `docker run IMAGE program` would."""

    def first_process(self, started: int) -> int:
        """Of the command that was started with that id: what gets a container's signals."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="wivmcp-image-") as name:
        folder = Path(name)
        # The image's user has to get to its root.
        folder.chmod(0o755)
        reason = image_root.why_impossible()
        if reason:
            print(
                "!!! NOT REHEARSED: a root of its own, its user, a read-only root file system, "
                f"signals to process 1: {reason}",
                flush=True,
            )
        image = InFolder.build(folder) if reason else Built.build(folder)
        with sandbox(folder) as propelauth:
            rehearse(image, propelauth, folder)


@dataclass(slots=True)
class Built:
    """The image as the Dockerfile makes it."""

    root: ImageRoot
    volume: Path
    variables: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    user: str = "0:0"

    @classmethod
    def build(cls, folder: Path) -> "Built":
        stages: dict[str, Built] = {}
        for stage in dockerfile.read():
            root = ImageRoot.create(folder / (stage.name or "image"))
            built = cls(root, folder / "data", {"PATH": image_root.python_path()})
            built.carry_out(stage, stages)
            stages[stage.name] = built
        # An empty volume takes over its mount point's owner.
        point = built.root.at("/data").stat()
        built.volume.mkdir(mode=0o700)
        os.chown(built.volume, point.st_uid, point.st_gid)
        return built

    def carry_out(self, stage: Stage, others: dict[str, "Built"]) -> None:
        for each in stage.instructions:
            match each.keyword:
                case "ENV":
                    for word in each.words:
                        name, value = word.split("=", 1)
                        self.variables[name] = value.replace("$PATH", self.variables["PATH"])
                case "WORKDIR":
                    self.directory = each.text
                    self.root.at(each.text).mkdir(parents=True, exist_ok=True)
                case "USER":
                    self.user = each.text
                case "COPY":
                    self.copy(each.words, others)
                case "RUN":
                    self.run(each.text)
                case "EXPOSE" | "HEALTHCHECK" | "CMD":
                    pass
                case keyword:
                    raise SetupError(f"the rehearsal doesn't know the Dockerfile's {keyword}")

    def copy(self, words: list[str], others: dict[str, "Built"]) -> None:
        *options, source, target = words
        place = self.root.at(Path(self.directory, target))
        if options:
            [option] = options
            other = others[option.removeprefix("--from=")]
            # Links stay links, owners owners.
            subprocess.run(["cp", "-a", other.root.at(source), place], check=True)
        elif source == ".":
            copy_admitted(place)
        else:
            shutil.copy(ROOT / source, place)

    def run(self, command: str) -> None:
        print(f"RUN {command.split(' && ')[0][:90]} ...", flush=True)
        variables, shown = image_root.package_sources()
        program = self.root.command(
            ["sh", "-c", command],
            variables | self.variables,
            user=self.user,
            directory=self.directory,
            shown=shown,
        )
        done = subprocess.run(
            program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            print(done.stdout)
            raise SetupError(f"RUN ended with status {done.returncode}: {command}")

    def command(self, program: list[str], environment: dict[str, str]) -> list[str]:
        return self.root.command(
            program,
            self.variables | environment,
            user=self.user,
            directory=self.directory,
            read_only=True,
            volumes={"/data": self.volume},
        )

    def first_process(self, started: int) -> int:
        """The one child of `unshare`."""
        return int(Path(f"/proc/{started}/task/{started}/children").read_text())


@dataclass(slots=True)
class InFolder:
    """The same files and packages, as this user and with this machine's file system."""

    folder: Path

    @classmethod
    def build(cls, folder: Path) -> "InFolder":
        copy_admitted(folder / "app")
        (folder / "data").mkdir()
        environments.prepare(folder / "venv", SERVED)
        image = cls(folder)
        environment = {"STATIC_ROOT": str(folder / "app/staticfiles")}
        subprocess.run(image.command(["script/collectstatic"], environment), check=True)
        return image

    def command(self, program: list[str], environment: dict[str, str]) -> list[str]:
        variables = {
            "PATH": f"{self.folder / 'venv/bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "STATIC_ROOT": str(self.folder / "app/staticfiles"),
            "DATABASE_URL": f"sqlite:///{self.folder}/data/wivmcp.sqlite3",
            **environment,
        }
        place = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        change = 'cd "$0" && exec "$@"'
        return [*place, "sh", "-c", change, str(self.folder / "app"), *program]

    def first_process(self, started: int) -> int:
        return started


def copy_admitted(app: Path) -> None:
    """Everything with "!" in .dockerignore."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for admitted in [ROOT / line[1:] for line in lines if line.startswith("!")]:
        target = app / admitted.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if admitted.is_dir():
            shutil.copytree(admitted, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(admitted, target)


@contextmanager
def sandbox(folder: Path) -> Iterator[str]:
    """Started from the checkout: the image has no stand-ins."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "sandbox", "--port", url.rpartition(":")[2]]
    child = Child(
        "the sandbox", command, dict(os.environ), folder / "sandbox.log", f"{url}/control/health"
    )
    try:
        wait_until_ready([child])
        yield url
    finally:
        stop([child])


def configuration(url: str, propelauth: str) -> dict[str, str]:
    """What `--env-file .env` would give: .env.example with its blanks filled in."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    return {
        **{key: value or "rehearsal" for key, value in example.items()},
        **fixtures.environment(propelauth),
        "ENCRYPTION_KEYS": base64.urlsafe_b64encode(bytes(32)).decode(),
        "PUBLIC_URL": url,
        "PORT": url.rpartition(":")[2],
    }


def rehearse(image: Image, propelauth: str, folder: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    environment = configuration(url, propelauth)
    app = folder / "app"
    before = files_below(app)
    run(image, ["script/release"], environment)
    serve = dockerfile.read()[-1].last("CMD").words
    command = image.command(serve, environment)
    server = Child("the server", command, {}, folder / "server.log", f"{url}/readyz")
    try:
        wait_until_ready([server])
        look_at_pages(url)
        run(image, dockerfile.read()[-1].health_command(), environment)
        chosen = [word for client in LOCAL_CLIENTS for word in ("--client", client)]
        print(run(image, ["python", "manage.py", "doctor", url, *chosen], environment))
        end(server, image.first_process(server.process.pid))
    finally:
        stop([server])
    if written := files_below(app) - before:
        raise SetupError(f"the server wrote to its own folder: {sorted(written)}")


def end(server: Child, process: int) -> None:
    """Its first process is told, and nobody else, as a platform does it."""
    os.kill(process, signal.SIGTERM)
    try:
        status = server.process.wait(10)
    except subprocess.TimeoutExpired:
        server.fail("doesn't end on a SIGTERM to its first process")
    if status != 0:
        server.fail(f"ended with status {status} on SIGTERM")


def run(image: Image, program: list[str], environment: dict[str, str]) -> str:
    """As another container of the image. Raises SetupError with its output when it fails."""
    command = image.command(program, environment)
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="\n")
        raise SetupError(f"{program[:3]} ended with status {done.returncode}")
    return done.stdout


def look_at_pages(url: str) -> None:
    expect(url, "/healthz", "ok")
    page = expect(url, "/admin/login/", "/static/")
    styles = re.findall(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', page)
    if not styles:
        raise SetupError("the login page links to no style sheet with a hashed name")
    for path in styles:
        expect(url, path, "{")


def expect(url: str, path: str, text: str) -> str:
    with DIRECT.open(url + path, timeout=5) as answer:
        body = str(answer.read().decode())
    if text not in body:
        raise SetupError(f"{path} answers without {text!r}")
    return body


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


if __name__ == "__main__":
    try:
        main()
    except (SetupError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"script/rehearse_image.py: {error}")
