"""Would the image work? The Dockerfile's steps on this machine, since CI has no container engine.

Takes along what .dockerignore admits, is configured by .env.example, and does what the Dockerfile
does: script/collectstatic, then script/serve.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from children import DIRECT, Child, stop, wait_until_ready
from environments import ROOT, SetupError
from postgresql import free_port


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="wivmcp-image-") as folder:
        app, data = Path(folder, "app"), Path(folder, "data")
        data.mkdir()
        copy_admitted(app)
        port = free_port()
        environment = container_environment(app, data, port)
        subprocess.run([app / "script/collectstatic"], env=environment, check=True)
        files = files_below(app)
        rehearse(app, data / "log", environment, f"http://127.0.0.1:{port}")
        if written := files_below(app) - files:
            raise SetupError(f"the server wrote to its own folder: {sorted(written)}")


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


def container_environment(app: Path, data: Path, port: int) -> dict[str, str]:
    """Nothing of this machine's but where programs are; blanks of .env.example are filled in."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    return {
        **{key: value or "rehearsal" for key, value in example.items()},
        "ENCRYPTION_KEYS": base64.urlsafe_b64encode(bytes(32)).decode(),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        "STATIC_ROOT": str(app / "staticfiles"),
        "DATABASE_URL": f"sqlite:///{data}/wivmcp.sqlite3",
        "MIGRATE_ON_START": "1",
    }


def rehearse(app: Path, log: Path, environment: dict[str, str], url: str) -> None:
    server = Child("the server", [str(app / "script/serve")], environment, log, f"{url}/readyz")
    try:
        wait_until_ready([server])
        expect(url, "/healthz", "ok")
        page = expect(url, "/admin/login/", "/static/")
        styles = re.findall(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', page)
        if not styles:
            raise SetupError("the login page links to no style sheet with a hashed name")
        for path in styles:
            expect(url, path, "{")
        server.send(signal.SIGTERM)
        # Having ended properly, uvicorn raises the signal again; process 1 of a container survives.
        if server.process.wait(5) not in (0, -signal.SIGTERM):
            server.fail("did not end properly on SIGTERM")
    finally:
        stop([server])


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
