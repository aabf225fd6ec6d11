"""Which Python runs what: this tree's virtual environments, each made from one locked set.

Standard library only, since it runs before anything is installed.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVED = ROOT / "requirements.txt"
TESTED = ROOT / "requirements-dev.txt"
TESTED_ON_DJANGO_6 = ROOT / "requirements-dev-django6.txt"
DEPLOYED_WITH = ROOT / "requirements-deploy.txt"
OLD_SDK = ROOT / "requirements-sdk1.txt"
PEERS = ROOT / "requirements-peers.txt"

# Django 6 needs the last of them; the first one that runs is taken.
NEWER_PYTHONS = ("3.14", "3.13", "3.12")


class SetupError(Exception):
    """What keeps a script from going on; its text is the one line that the user reads."""


def prepare(
    directory: Path,
    requirements: Path,
    *,
    interpreter: str = sys.executable,
    enough: tuple[Path, ...] = (),
) -> Path:
    """The Python of `directory`, made and filled when that is due; the second time, a look.

    `enough`: larger sets that will do when one of them is installed already.
    """
    python = directory / "bin" / "python"
    if not is_usable(python):
        create(directory, interpreter)
    if stamp(directory) not in {digest(each) for each in (requirements, *enough)}:
        install(python, requirements)
        (directory / "installed").write_text(digest(requirements))
    return python


def is_usable(python: Path) -> bool:
    """False after an interrupted set-up, and when the Python it was made from is gone or another.

    That one needn't be the interpreter at hand, which depends on what is active in the shell.
    """
    return python.exists() and version(str(python), "import pip") is not None


def version(python: str, also: str = "") -> str | None:
    """ "3.11.7", or None for a Python that doesn't run: pyenv's shims exist without working."""
    code = f"{also}\nimport platform; print(platform.python_version())"
    try:
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def create(directory: Path, interpreter: str) -> None:
    print(f"Creating {name(directory)} with Python {version(interpreter)} ...", flush=True)
    made = subprocess.run(
        [interpreter, "-m", "venv", "--clear", directory],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise SetupError(f"could not create {name(directory)}: {last_line(made.stdout)}")


def digest(requirements: Path) -> str:
    return f"{requirements.name} {hashlib.sha256(requirements.read_bytes()).hexdigest()}"


def stamp(directory: Path) -> str:
    try:
        return (directory / "installed").read_text()
    except FileNotFoundError:
        return ""


def install(python: Path, requirements: Path) -> None:
    """pip's own lines go to a file: an index it can't reach is a warning for each package."""
    started = time.monotonic()
    packages = sum("==" in line for line in requirements.read_text().splitlines())
    print(f"Installing the {packages} packages of {requirements.name} ...", flush=True)
    log = python.parent.parent / "install.log"
    options = ["--require-hashes", "--no-input", "--disable-pip-version-check"]
    pip = subprocess.Popen(
        [python, "-m", "pip", "install", *options, "--progress-bar=off", "-r", requirements],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert pip.stdout
    placed = 0
    with log.open("w") as kept:
        for line in pip.stdout:
            kept.write(line)
            placed += line.startswith(("Collecting ", "Processing ", "Ignoring ", "Requirement "))
            unpacking = line.startswith("Installing ")
            show_progress("  unpacking" if unpacking else f"  {placed} of {packages}")
    show_progress("")
    if pip.wait() != 0:
        raise SetupError(f"pip could not install {requirements.name}; see {name(log)}")
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)


def show_progress(text: str) -> None:
    """One line that is written over; nothing where the output is a file."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="", flush=True)


def newer_python() -> str | None:
    """The newest Python on PATH or of pyenv that Django 6 runs on."""
    return next(filter(version, newer_pythons()), None)


def newer_pythons() -> Iterator[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for number in NEWER_PYTHONS:
        yield f"python{number}"
        yield from map(str, sorted(pyenv.glob(f"versions/{number}.*/bin/python"), reverse=True))
    if sys.version_info >= (3, 12):
        yield sys.executable


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def name(path: Path) -> str:
    """A path as the user would type it in the tree."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
