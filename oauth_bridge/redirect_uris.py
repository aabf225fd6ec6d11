"""Redirect URIs: which may be registered, which are trusted unasked, when are two the same?

`schemes` are the private-use URI schemes (RFC 8252 §7.1) that administrators allow, such as
`cursor`: see `models.PrivateUseScheme`.
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from oauthlib.uri_validate import is_absolute_uri

MAX_URI_LENGTH = 500
REDIRECT_URI_RULE = (
    "A redirect URI must be https, http on loopback, or of a scheme allowed here, "
    "without fragment, user information or wildcard."
)

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

HOST_NAME = re.compile(r"[A-Za-z0-9._~-]+")
IPV6_NETLOC = re.compile(r"\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
# RFC 3986 §3.1, in lower case, as browsers hand it over.
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
# What browsers and operating systems open themselves. A code sent there is lost at best.
# fmt: off
NEVER_PRIVATE_USE = frozenset({
    "about", "android-app", "app", "blob", "chrome", "chrome-extension", "content", "data",
    "devtools", "dns", "edge", "feed", "file", "filesystem", "ftp", "ftps", "geo", "git", "gopher",
    "http", "https", "imap", "intent", "irc", "jar", "javascript", "ldap", "ldaps", "magnet",
    "mailto", "mhtml", "moz-extension", "news", "nntp", "pop", "resource", "rtsp", "search",
    "search-ms", "sftp", "shell", "sip", "sips", "smb", "sms", "ssh", "tel", "telnet", "urn",
    "vbscript", "view-source", "wais", "webcal", "ws", "wss", "xmpp",
})
# fmt: on

# Vendors' callback hosts, to which an error may be sent before anybody consented.
TRUSTED_REDIRECT_HOSTS = frozenset(
    {
        "claude.ai",
        "claude.com",
        "chatgpt.com",
        "vscode.dev",
        "insiders.vscode.dev",
        "www.cursor.com",
        "antigravity.google",
        "www.perplexity.ai",
        "callback.mistral.ai",
        "grok.com",
    }
)


def is_loopback(uri: str) -> bool:
    """RFC 8252 §7.3, and `localhost`, which Claude Code and others register."""
    parts = urlsplit(uri)
    return parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS


def uses_private_scheme(uri: str) -> bool:
    return urlsplit(uri).scheme not in ("http", "https")


def may_be_private_scheme(scheme: str) -> bool:
    return bool(SCHEME.fullmatch(scheme)) and scheme not in NEVER_PRIVATE_USE


def is_vendors(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme == "https" and parts.hostname in TRUSTED_REDIRECT_HOSTS


def is_trusted_redirect(uri: str, schemes: Collection[str]) -> bool:
    """May we send the browser there unasked? Else an anonymous registration is an open redirector
    (RFC 9700 §4.11.2)."""
    return is_vendors(uri) or is_loopback(uri) or urlsplit(uri).scheme in schemes


def is_acceptable(uri: str, schemes: Collection[str]) -> bool:
    """MCP: loopback or https; and the schemes desktop clients registered for themselves."""
    if len(uri) > MAX_URI_LENGTH or not uri.isascii() or not uri.isprintable():
        return False
    if any(character in uri for character in ' #*\\"<>^`{|}'):
        return False
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018  # raises for a port that isn't one
    except ValueError:
        return False
    if not is_absolute_uri(uri) or not names_one_host(parts) or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or parts.scheme in schemes or is_loopback(uri)


def names_one_host(parts: SplitResult) -> bool:
    """A host that every parser, and every reader of the consent page, takes for the same.

    `claude.ai%2eevil.example` reads like another host, `0x7f.1` and `2130706433` are 127.0.0.1 to
    some, and brackets belong around an IPv6 address only.
    """
    host = parts.hostname or ""
    if "[" in parts.netloc or "]" in parts.netloc:
        return IPV6_NETLOC.fullmatch(parts.netloc) is not None
    if parts.scheme not in ("http", "https"):
        return HOST_NAME.fullmatch(host) is not None
    last = host.rstrip(".").rpartition(".")[2]
    if re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", last):
        return is_dotted_ipv4(host)
    return HOST_NAME.fullmatch(host) is not None


def is_dotted_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def with_path(uri: str) -> str:
    """`http://127.0.0.1` and `http://127.0.0.1/` are one (RFC 3986 §6.2.3); clients mix them."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri  # malformed, and so refused wherever it is looked at next
    start = len(parts.scheme) + len("://")
    end = start + len(parts.netloc)
    if parts.path or parts.query or not parts.netloc or uri[start:end] != parts.netloc:
        return uri
    return f"{uri[:end]}/{uri[end:]}"
