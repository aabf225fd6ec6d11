"""A browser made of HTTP: follows redirects with cookies, fills in forms, presses buttons.

Knows nothing of the product but what a person sees: the consent page's button, PropelAuth's
`email` and `password`, a list of organizations.
"""

import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

# Trusts nobody, since nobody is asked: reading the machine's authorities takes 30 ms a client.
PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class Form:
    """One form of a page; `buttons` are the named ones, `choices` the radio buttons' values."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)


class _FormParser(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attrs = {name: value or "" for name, value in attributes}
        if tag == "form":
            action = urljoin(self.url, attrs.get("action") or self.url)
            self.forms.append(Form(attrs.get("method", "get").lower(), action))
        elif self.forms and tag in ("input", "button") and "name" in attrs:
            self._add(self.forms[-1], tag, attrs)

    def _add(self, form: Form, tag: str, attrs: dict[str, str]) -> None:
        name, value = attrs["name"], attrs.get("value", "")
        if tag == "button" or attrs.get("type") == "submit":
            form.buttons.append((name, value))
        elif attrs.get("type") == "radio":
            form.choices.setdefault(name, []).append(value)
        else:
            form.fields[name] = value


def forms_of(response: httpx2.Response) -> list[Form]:
    parser = _FormParser(str(response.url))
    parser.feed(response.text)
    return parser.forms


class Robot:
    """One browser profile. `arrived_at` is the redirect URI it was sent back to, if it was."""

    def __init__(
        self,
        email: str = "",
        password: str = "sandbox",
        organization: str = "",
        tls: ssl.SSLContext = PLAIN_HTTP,
    ) -> None:
        self.email = email
        self.password = password
        self.organization = organization
        self.http = httpx2.Client(follow_redirects=False, verify=tls, timeout=30)
        self.visited: list[str] = []

    def close(self) -> None:
        self.http.close()

    def get(self, url: str, **options: Any) -> httpx2.Response:
        self.visited.append(url)
        return self.http.get(url, **options)

    def submit(self, form: Form, **values: str | list[str]) -> httpx2.Response:
        self.visited.append(form.action)
        # As browsers do on a form's POST; Django's CSRF check compares it over https.
        parts = urlsplit(form.action)
        headers = {"Origin": f"{parts.scheme}://{parts.netloc}"}
        return self.http.post(form.action, data={**form.fields, **values}, headers=headers)

    def authorize(self, url: str, stop_at: str) -> httpx2.URL:
        """Go through consent, sign-in and chooser; the URL on `stop_at` the client is called at."""
        response = self.follow(self.get(url), stop_at)
        while True:
            location = location_of(response)
            if location and location.startswith(stop_at):
                return httpx2.URL(location)
            response = self.follow(self.answer(response), stop_at)

    def follow(self, response: httpx2.Response, stop_at: str) -> httpx2.Response:
        """Redirects until a page, or until one to `stop_at`, which isn't fetched."""
        while (location := location_of(response)) and not location.startswith(stop_at):
            response = self.get(location)
        return response

    def answer(self, page: httpx2.Response) -> httpx2.Response:
        """Do what a person would on the page at hand."""
        if page.status_code != 200:
            raise AssertionError(f"{page.url}: {page.status_code}\n{page.text[:2000]}")
        for form in forms_of(page):
            if ("decision", "allow") in form.buttons:
                return self.submit(form, decision="allow")
            if "email" in form.fields:
                return self.submit(form, email=self.email, password=self.password)
            for name in ("organization", "org_id"):
                if name in form.choices:
                    return self.submit(form, **{name: self.organization or form.choices[name][0]})
        raise AssertionError(f"nothing to press on {page.url}\n{page.text[:2000]}")


def location_of(response: httpx2.Response) -> str:
    """Where a redirect leads; "" for what isn't one."""
    location = response.headers.get("location")
    return urljoin(str(response.url), location) if location else ""


def query_of(url: httpx2.URL | str) -> dict[str, str]:
    """`?a=1&b=2` -> {"a": "1", "b": "2"}"""
    return {name: values[0] for name, values in parse_qs(urlsplit(str(url)).query).items()}


def form_to(page: httpx2.Response, path: str) -> Form:
    """The page's one form that posts to `path`."""
    [form] = [form for form in forms_of(page) if form.action.endswith(path)]
    return form


def signed_in(robot: Robot, server: str) -> httpx2.Response:
    """The connect page after "Sign in with Wiv"."""
    page_url = f"{server}/connect"
    response = robot.submit(form_to(robot.get(page_url), "/connect/sign-in"))
    response = robot.follow(response, stop_at=page_url)
    while location_of(response) != page_url:
        response = robot.follow(robot.answer(response), stop_at=page_url)
    return robot.get(page_url)
