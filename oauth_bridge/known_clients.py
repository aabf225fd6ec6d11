"""What we know of the AI clients in advance: where their redirects may go without a second look."""

from urllib.parse import urlsplit

# Applications that registered an operating-system scheme of their own. Any other scheme could
# belong to whatever program grabbed it.
CUSTOM_SCHEMES = ("cursor", "windsurf", "vscode", "vscode-insiders", "claude")

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

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


def uses_custom_scheme(uri: str) -> bool:
    return urlsplit(uri).scheme in CUSTOM_SCHEMES


def is_vendors(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme == "https" and parts.hostname in TRUSTED_REDIRECT_HOSTS


def is_trusted_redirect(uri: str) -> bool:
    """May we send the browser there unasked? Else an anonymous registration is an open redirector
    (RFC 9700 §4.11.2)."""
    return is_vendors(uri) or is_loopback(uri) or uses_custom_scheme(uri)
