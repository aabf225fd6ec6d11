"""The demo as the README starts it, and a real browser."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.requirements import chromium
from tests.settings import free_port
from tests.stand_ins import Sandbox, wait_until_answers

ROOT = Path(__file__).resolve().parents[2]
ADMIN_PASSWORD = "correct horse battery staple"
# Chromium would else look for updates and the like, at every start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Demo:
    url: str
    sandbox: Sandbox
    output: Path


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    with running_demo(folder, free_port(), free_port()) as demo:
        yield demo


@contextmanager
def running_demo(folder: Path, port: int, sandbox_port: int) -> Iterator[Demo]:
    url = f"http://127.0.0.1:{port}"
    command = ["script/demo", "--port", str(port), "--sandbox-port", str(sandbox_port)]
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--data", str(folder / "data")],
            cwd=ROOT,
            env=demo_environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_answers(f"{url}/readyz", process)
            sandbox = Sandbox(f"http://127.0.0.1:{sandbox_port}")
            yield Demo(url, sandbox, output)
            sandbox.http.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def demo_environment() -> dict[str, str]:
    """A person's shell, without what this test run set for itself."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "CI")}
    return {**kept, "DEMO_ADMIN_PASSWORD": ADMIN_PASSWORD}


@pytest.fixture
def chromium_browser() -> Iterator[Browser]:
    """For one test: while Playwright runs, no other test of this thread could use asyncio."""
    executable = chromium()
    expect.set_options(timeout=20_000)  # ms; for a busy machine
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium_browser: Browser) -> Iterator[Page]:
    """A fresh profile, whose console errors and failed requests fail the test."""
    context = chromium_browser.new_context()
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()
    assert not problems


def screenshot(page: Page, name: str) -> None:
    """Kept for people to look at, in test-output/."""
    folder = ROOT / "test-output"
    folder.mkdir(exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)
