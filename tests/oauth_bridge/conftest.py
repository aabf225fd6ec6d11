"""Somebody at /admin."""

from dataclasses import dataclass

import httpx2
import pytest

from oauth_bridge.models import User
from tests.robot import Robot, forms_of


@dataclass
class Admin:
    robot: Robot
    url: str

    def __call__(self, path: str) -> httpx2.Response:
        return self.robot.get(self.url + path)

    def act(self, model: str, action: str, *pks: object) -> httpx2.Response:
        """Tick rows and run an action on them; its answer."""
        page = self(f"{model}/")
        form = next(form for form in forms_of(page) if "csrfmiddlewaretoken" in form.fields)
        form.action = str(page.url)
        return self.robot.submit(form, action=action, _selected_action=[str(pk) for pk in pks])


@pytest.fixture
def admin(server, browser):
    """Somebody signed in at /admin; `admin(path)` opens a page."""
    User.objects.create_superuser("admin", "admin@wiv.test", "correct horse")
    robot = browser()
    [form] = forms_of(robot.get(f"{server}/admin/login/"))
    robot.submit(form, username="admin", password="correct horse")

    return Admin(robot, f"{server}/admin/oauth_bridge/")
