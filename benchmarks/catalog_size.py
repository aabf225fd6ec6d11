"""What do the shipped tools, 260 and 1,000 cost? `python -m benchmarks.catalog_size [--rounds 30]`

A server of its own for each size, asked in turns. Times are of one client at a time, seen from
outside; a size is compared with the shipped tools in the same run.
"""

import argparse
import contextlib
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from tests.wiv_routes import SHIPPED

SIZES = (SHIPPED, 260, 1000)
ACCEPT = {"Accept": "application/json, text/event-stream"}
PASSWORD = "benchmark only"

# Run by `manage.py shell` with the number of tools to end up with.
GROW = """
from django.contrib.auth import get_user_model
from mcp_gateway.models import Tool
shipped = list(Tool.objects.all())
copies = []
for number in range({size} - len(shipped)):
    tool = shipped[number % len(shipped)]
    fields = {{f.attname: getattr(tool, f.attname) for f in Tool._meta.concrete_fields}}
    fields |= {{"id": None, "name": f"{{tool.name[:50]}}_{{number}}", "source": "admin"}}
    copies.append(Tool(**fields))
Tool.objects.bulk_create(copies)
get_user_model().objects.create_superuser("admin", "admin@example.test", "{password}")
"""


@dataclass
class Subject:
    """One server with so many tools, and what asking it took, in seconds."""

    size: int
    url: str
    key: str
    http: httpx2.Client
    took: dict[str, list[float]] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    def measure(self, name: str, ask: Callable[[], int]) -> None:
        started = time.perf_counter()
        self.bytes[name] = ask()
        self.took.setdefault(name, []).append(time.perf_counter() - started)

    def rpc(self, method: str, **params: object) -> httpx2.Response:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {"Authorization": f"Bearer {self.key}"} | ACCEPT
        answer = self.http.post(f"{self.url}/mcp", json=body, headers=headers)
        return answer.raise_for_status()

    def list_tools(self) -> int:
        """All pages."""
        params: dict[str, str] = {}
        size = seen = 0
        while True:
            answer = self.rpc("tools/list", **params)
            result = answer.json()["result"]
            size, seen = size + len(answer.content), seen + len(result["tools"])
            if "nextCursor" not in result:
                assert seen == self.size, seen
                return size
            params = {"cursor": result["nextCursor"]}

    def call_tool(self) -> int:
        answer = self.rpc("tools/call", name="wiv_list_workflows", arguments={})
        assert not answer.json()["result"].get("isError"), answer.text
        return len(answer.content)

    def admin_list(self) -> int:
        page = self.http.get(f"{self.url}/admin/mcp_gateway/tool/").raise_for_status()
        assert "result_list" in page.text
        return len(page.content)

    def sign_in(self) -> None:
        url = f"{self.url}/admin/login/"
        page = self.http.get(url)
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = {"csrfmiddlewaretoken": token, "username": "admin", "password": PASSWORD}
        assert self.http.post(url, data=form).status_code == 302


QUESTIONS: dict[str, Callable[[Subject], int]] = {
    "tools/list": Subject.list_tools,
    "tools/call": Subject.call_tool,
    "admin list": Subject.admin_list,
}


@contextlib.contextmanager
def subject(size: int, folder: Path) -> Iterator[Subject]:
    from sandbox import fixtures
    from tests.e2e.deployment import deployed

    database = f"sqlite:///{folder / f'{size}.sqlite3'}"
    secrets = {"SECRET_KEY": "x" * 60, "ENCRYPTION_KEYS": "A" * 43 + "="}
    os.environ.update(secrets)
    with deployed(folder, database) as deployment, httpx2.Client(timeout=60) as http:
        deployment.manage("shell", "-c", GROW.format(size=size, password=PASSWORD))
        made = deployment.sandbox.backend(
            "POST",
            "/end_user_api_keys",
            fixtures.BACKEND_API_KEY,
            json={"user_id": fixtures.ANA, "org_id": fixtures.ACME},
        )
        asked = Subject(size, deployment.url, made.json()["api_key_token"], http)
        asked.sign_in()
        yield asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        subjects = []
        for size in SIZES:
            own = Path(folder) / str(size)
            own.mkdir()
            subjects.append(stack.enter_context(subject(size, own)))
        for number in range(rounds + 3):
            for each in subjects:
                for name, ask in QUESTIONS.items():
                    each.measure(name, lambda ask=ask, each=each: ask(each))  # type: ignore[misc]
            if number == 2:  # the first rounds warm up
                for each in subjects:
                    each.took.clear()
        report(subjects, rounds)


def report(subjects: list[Subject], rounds: int) -> None:
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"median of {rounds} rounds, and its ratio to the shipped tools\n")
    print(f"{'':12}" + "".join(f"{f'{each.size} tools':>24}" for each in subjects))
    for name in QUESTIONS:
        medians = [statistics.median(each.took[name]) for each in subjects]
        cells = [
            f"{median * 1000:.1f} ms ({median / medians[0]:.1f}x, {each.bytes[name] // 1000} kB)"
            for median, each in zip(medians, subjects, strict=True)
        ]
        print(f"{name:12}" + "".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    main()
