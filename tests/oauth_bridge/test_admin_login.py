"""How often a password may be tried at /admin/, and that no stranger keeps an administrator out."""

import httpx2
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from oauth_bridge.models import RateCounter, User
from oauth_bridge.secret import checksum
from tests.robot import Robot, forms_of

PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def limits(settings):
    settings.ADMIN_LOGINS_PER_ADDRESS = 3
    settings.ADMIN_LOGINS_PER_ACCOUNT = 5
    settings.TRUSTED_PROXY_COUNT = 1


@pytest.fixture(autouse=True)
def staff(server):
    for name in ("admin", "other"):
        User.objects.create_superuser(name, f"{name}@wiv.test", PASSWORD)


@pytest.fixture
def page(server):
    return f"{server}/admin/login/"


def sign_in(
    robot: Robot, page: str, username: str, password: str, address: str = "203.0.113.1"
) -> httpx2.Response:
    robot.http.headers["X-Forwarded-For"] = address
    robot.http.cookies.pop("session", None)
    [form] = forms_of(robot.get(page))
    return robot.submit(form, username=username, password=password)


def guess(robot: Robot, page: str, number: int, address: str = "203.0.113.9") -> list[int]:
    return [sign_in(robot, page, "admin", f"wrong {n}", address).status_code for n in range(number)]


def test_an_address_may_try_so_often(browser, page):
    robot = browser()
    assert guess(robot, page, 5) == [200, 200, 200, 429, 429]
    answer = sign_in(robot, page, "admin", PASSWORD, "203.0.113.9")
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 900
    assert "Too many attempts to sign in" in answer.text
    assert answer.headers["cache-control"].count("no-store")


def test_another_name_at_the_same_address_is_no_way_round(browser, page):
    guess(browser(), page, 3)
    assert sign_in(browser(), page, "other", "wrong", "203.0.113.9").status_code == 429


def test_an_ipv6_host_has_one_budget(browser, page):
    statuses = [guess(browser(), page, 1, f"2001:db8:1:2::{host}")[0] for host in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_an_account_is_tried_so_often_however_many_addresses_there_are(browser, page):
    robot = browser()
    statuses = [guess(robot, page, 1, f"203.0.113.{host}")[0] for host in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    assert sign_in(robot, page, "other", PASSWORD, "203.0.113.99").status_code == 302


def test_a_name_that_nobody_has_is_answered_alike(browser, page):
    robot = browser()
    statuses = [
        sign_in(robot, page, "nobody", "x", f"203.0.113.{host}").status_code for host in range(7)
    ]
    assert statuses == [200] * 5 + [429] * 2


def test_strangers_never_keep_out_who_has_signed_in_from_a_browser_before(browser, page):
    administrator, stranger = browser(), browser()
    assert sign_in(administrator, page, "admin", PASSWORD).status_code == 302
    for host in range(10):
        guess(stranger, page, 1, f"203.0.113.{host}")
    assert guess(stranger, page, 4, "203.0.113.1")[-1] == 429  # from where the administrator is
    assert sign_in(administrator, page, "admin", PASSWORD).status_code == 302


def test_a_known_browser_has_a_budget_too(browser, page):
    """Its cookie may be stolen."""
    robot = browser()
    sign_in(robot, page, "admin", PASSWORD)
    statuses = [guess(robot, page, 1, f"203.0.113.{host}")[0] for host in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


def test_a_browser_is_known_for_its_own_account_only(browser, page):
    robot = browser()
    sign_in(robot, page, "other", PASSWORD)
    for host in range(5):
        guess(browser(), page, 1, f"203.0.113.{host}")
    assert guess(robot, page, 1, "203.0.113.99") == [429]


@pytest.mark.parametrize("forged", ["x", "", "eyJ9:1:x", '["admin", "x"]', "a" * 4000])
def test_a_made_up_cookie_makes_no_browser_known(browser, page, forged):
    robot = browser()
    guess(robot, page, 3)
    robot.http.cookies.set("admin-browser", forged)
    assert guess(robot, page, 1) == [429]


def test_what_is_refused_costs_no_password_hashing(browser, page, settings, monkeypatch):
    """Which takes a third of a second, and anybody could ask for it."""
    hashed: list[str] = []
    encode = PBKDF2PasswordHasher.encode

    def encode_once(
        self: PBKDF2PasswordHasher, password: str, salt: str, iterations: int | None = None
    ) -> str:
        hashed.append(password)
        return encode(self, password, salt, 1)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode_once)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    robot = browser()
    for number in range(6):
        sign_in(robot, page, f"nobody {number}", "guess", "203.0.113.9")
    assert hashed == ["guess"] * 3


def test_no_name_that_was_tried_is_kept(browser, page):
    sign_in(browser(), page, "hunter2", "x")  # people type their password there
    assert RateCounter.objects.filter(bucket__startswith="admin logins at ").exists()
    for shown in ("hunter2", checksum("hunter2")):
        assert not RateCounter.objects.filter(bucket__contains=shown).exists()


def test_the_cookie_is_for_the_server_alone(browser, page):
    answer = sign_in(browser(), page, "admin", PASSWORD)
    [cookie] = [c for c in answer.headers.get_list("set-cookie") if c.startswith("admin-browser")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "admin=" not in cookie
