"""A person who decides about calls, as tests drive them."""

import re
from dataclasses import dataclass

import httpx2

from mcp_gateway.models import Tool
from sandbox import fixtures
from tests.robot import Robot, form_to, signed_in

WORKFLOW = fixtures.MONTHLY_REPORT
LINK = re.compile(r"https?://\S+/connect/approvals/[0-9a-f-]{36}")


def require_approval(name: str = "wiv_start_execution", rule: str = "always", **fields) -> None:
    """As an administrator switches it on."""
    tool = Tool.objects.get(name=name)
    for field, value in {"approval": rule, **fields}.items():
        setattr(tool, field, value)
    tool.full_clean()
    tool.save()


def link_in(text: str) -> str:
    [link] = LINK.finditer(text)
    return link[0]


@dataclass
class Person:
    """Somebody signed in at /connect."""

    robot: Robot
    server: str

    @classmethod
    def sign_in(cls, robot: Robot, server: str) -> "Person":
        signed_in(robot, server)
        return cls(robot, server)

    def look_at(self, link: str) -> httpx2.Response:
        return self.robot.get(link)

    def decide(self, link: str, decision: str) -> httpx2.Response:
        """What the page says afterwards; fails when it has no such button."""
        form = form_to(self.look_at(link), link.removeprefix(self.server))
        assert ("decision", decision) in form.buttons
        assert self.robot.submit(form, decision=decision).status_code == 302
        return self.look_at(link)
