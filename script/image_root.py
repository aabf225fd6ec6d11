"""A root directory as an image has one, for programs that see nothing else of this machine.

What a base image brings, /usr with its libraries and Python, is this machine's, read-only. Each
program is process 1 of a process namespace, as in a container; the network is this machine's.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

NAMESPACES = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
# Of /etc: accounts, name service, the linker's cache, certificates.
ETC = (
    *("passwd", "group", "shadow", "gshadow", "login.defs", "nsswitch.conf", "hosts"),
    *("resolv.conf", "ld.so.cache", "ssl", "localtime"),
)
DEVICES = ("null", "zero", "random", "urandom")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def why_impossible() -> str | None:
    """What this machine lacks for it; None where it works."""
    if sys.platform != "linux":
        return "this isn't Linux"
    if os.geteuid() != 0:
        return "it needs root, for mounts and for another user"
    missing = [name for name in ("unshare", "setpriv", "chroot") if not shutil.which(name)]
    if missing:
        return f"there is no {missing[0]}"
    probe = "mount --bind /usr /usr && mount -o remount,bind,ro /usr && mount -t proc proc /proc"
    done = subprocess.run([*NAMESPACES, "sh", "-c", probe], capture_output=True, check=False)
    return None if done.returncode == 0 else "the kernel doesn't allow mounts"


@dataclass(frozen=True, slots=True)
class ImageRoot:
    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "ImageRoot":
        for name in ("etc", "proc", "dev", "tmp"):
            (folder / name).mkdir(parents=True)
        (folder / "tmp").chmod(0o1777)
        for name in ETC:
            source = Path("/etc", name)
            if source.is_dir():
                shutil.copytree(source, folder / "etc" / name, symlinks=True)
            elif source.exists():
                shutil.copy(source, folder / "etc" / name)
        for name in ("bin", "sbin", "lib", "lib64"):
            if Path("/", name).is_symlink():
                (folder / name).symlink_to(os.readlink(Path("/", name)))
        return cls(folder)

    def command(
        self,
        program: list[str],
        environment: dict[str, str],
        *,
        user: str = "0:0",
        directory: str = "/",
        read_only: bool = False,
        volumes: dict[str, Path] | None = None,
        shown: tuple[Path, ...] = (),
    ) -> list[str]:
        """`volumes`: what stays writable, by where it is inside. `shown`: read-only, as outside."""
        uid, gid = user.split(":")
        privileges = [f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        if uid != "0":
            privileges += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        variables = [f"{name}={value}" for name, value in environment.items()]
        inside = ["env", "-i", "-C", directory, *variables, *program]
        script = [
            "set -e",
            *self.mounts(volumes or {}, shown, read_only),
            shlex.join(["exec", "chroot", str(self.folder), "setpriv", *privileges, *inside]),
        ]
        return [*NAMESPACES, "sh", "-c", "\n".join(script)]

    def mounts(
        self, volumes: dict[str, Path], shown: tuple[Path, ...], read_only: bool
    ) -> list[str]:
        system = [path for path in map(Path, ("/usr", "/lib", "/lib64")) if path.is_dir()]
        system = [path for path in system if not path.is_symlink()]
        python = Path(sys.base_prefix)
        if not python.is_relative_to("/usr"):
            system.append(python)
        commands = [f"mount --bind {self.folder} {self.folder}"]
        for path in [*system, *shown]:
            commands += [self.mount(path, str(path)), f"mount -o remount,bind,ro {self.at(path)}"]
        commands.append(f"mount -t proc proc {self.at('/proc')}")
        for name in DEVICES:
            self.at(f"/dev/{name}").touch()
            commands.append(self.mount(Path("/dev", name), f"/dev/{name}"))
        commands += [self.mount(source, target) for target, source in volumes.items()]
        if read_only:
            commands.append(f"mount -o remount,bind,ro {self.folder}")
        return commands

    def mount(self, source: Path, target: str) -> str:
        if source.is_dir():
            self.at(target).mkdir(parents=True, exist_ok=True)
        return f"mount --bind {shlex.quote(str(source))} {shlex.quote(str(self.at(target)))}"

    def at(self, path: str | Path) -> Path:
        """A path inside, seen from outside."""
        return self.folder / str(path).lstrip("/")


def python_path() -> str:
    """PATH in a Python image: that Python, and the system's programs."""
    return f"{sys.base_prefix}/bin:{SYSTEM_PATH}"


def package_sources() -> tuple[dict[str, str], tuple[Path, ...]]:
    """pip's configuration as variables, and the folders it names: where packages come from is
    decided by whoever builds an image.
    """
    listed = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True)
    found = re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE)
    variables = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in found}
    words = [word for _, value in found for word in value.split()]
    # An index on this machine has its files beside it.
    paths = [
        Path(word.removeprefix("file://")).parent if word.startswith("file://") else Path(word)
        for word in words
    ]
    folders = {path for path in paths if path.is_absolute() and path.is_dir()} - {Path("/")}
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.lower() in ("http_proxy", "https_proxy", "no_proxy")
    }
    return passed | variables, tuple(sorted(folders))
