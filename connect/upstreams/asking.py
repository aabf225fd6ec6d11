"""One request to an upstream, as plainly as it can be sent: no redirect, no second attempt."""

import ssl
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2

from connect.upstreams.problems import Problem
from connect.upstreams.record import Found

# RFC 6749 §4.1.2.1 and §5.2, RFC 8707 §2. Other words may repeat what they were asked with.
OAUTH_ERRORS = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
    }
)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Whom to ask, and what it is called when it doesn't answer."""

    silent: Problem
    bad_certificate: Problem
    timeout: timedelta

    def ask(self, method: str, url: str, **options: Any) -> httpx2.Response:
        """Its answer. Raises Found for none, 429 and 5xx."""
        path = urlsplit(url).path
        try:
            with httpx2.Client(
                timeout=self.timeout.total_seconds(), follow_redirects=False
            ) as client:
                response = client.request(method, url, **options)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            problem = self.bad_certificate if is_about_tls(error) else self.silent
            raise Found(problem, f"{method} {path}: {type(error).__name__}") from error
        if response.status_code == 429 or response.status_code >= 500:
            raise Found(self.silent, described(response))
        return response


def is_about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def described(response: httpx2.Response) -> str:
    """ "POST /oauth/2.1/token: 401 invalid_client" """
    request = response.request
    words = f"{request.method} {request.url.path}: {response.status_code} {oauth_error(response)}"
    return words.strip()


def oauth_error(response: httpx2.Response) -> str:
    error = json_object(response).get("error")
    return known_error(error)


def known_error(error: object) -> str:
    return error if isinstance(error, str) and error in OAUTH_ERRORS else ""


def json_object(response: httpx2.Response) -> dict[str, Any]:
    """Empty for anything else."""
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
