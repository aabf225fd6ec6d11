"""Somebody's browser, which posts what no page of ours would."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from sandbox import fixtures
from tests.fuzz.target import Answer, Header, Target
from tests.robot import Robot, forms_of, signed_in

PASSWORD = "correct horse battery staple"
Fields = Sequence[tuple[str, str]]


@dataclass(eq=False)
class Browser:
    """`robot` has its cookies."""

    target: Target
    robot: Robot

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: str(cookie.value) for cookie in self.robot.http.cookies.jar}

    def headers(self) -> list[Header]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return [
            (b"Cookie", cookies.encode()),
            (b"X-CSRFToken", self.cookies["csrf"].encode()),
            (b"Accept", b"text/html"),
        ]

    def get(self, path: bytes) -> Answer:
        return self.target.send(b"GET", path, self.headers())

    def post(self, path: bytes, fields: Fields) -> Answer:
        form = [(b"Content-Type", b"application/x-www-form-urlencoded")]
        return self.target.send(b"POST", path, self.headers() + form, form_body(fields))

    def upload(self, path: bytes, field: str, file: bytes) -> Answer:
        boundary = b"a-boundary-of-ours"
        disposition = f'form-data; name="{field}"; filename="document.json"'.encode()
        body = b"\r\n".join(
            (
                b"--" + boundary,
                b"Content-Disposition: " + disposition,
                b"Content-Type: application/octet-stream",
                b"",
                file,
                b"--" + boundary + b"--",
                b"",
            )
        )
        multipart = [(b"Content-Type", b"multipart/form-data; boundary=" + boundary)]
        return self.target.send(b"POST", path, self.headers() + multipart, body)


def form_body(fields: Fields) -> bytes:
    return "&".join(f"{quoted(name)}={quoted(value)}" for name, value in fields).encode()


def quoted(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


@contextmanager
def on_connect(target: Target) -> Iterator[Browser]:
    robot = Robot(fixtures.ANA_EMAIL)
    signed_in(robot, target.deployment.url)
    yield Browser(target, robot)
    robot.close()


@contextmanager
def at_the_admin(target: Target) -> Iterator[Browser]:
    deployment = target.deployment
    deployment.environment |= {
        "DJANGO_SUPERUSER_USERNAME": "fuzz",
        "DJANGO_SUPERUSER_EMAIL": "fuzz@wiv.test",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    deployment.manage("createsuperuser", "--noinput")
    target.secrets["password"] = PASSWORD
    robot = Robot()
    [form] = forms_of(robot.get(f"{deployment.url}/admin/login/"))
    assert robot.submit(form, username="fuzz", password=PASSWORD).status_code == 302
    yield Browser(target, robot)
    robot.close()
