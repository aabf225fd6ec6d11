"""JSON values, texts and bytes that programs are seldom tried with, and ways to spoil good ones."""

import json
from typing import Any

from hypothesis import strategies as st

JSON = Any

ODD_TEXTS = (
    *("", " ", "\x00", "a\x00b", "\r\nSet-Cookie: a=b", "\n2026-01-01 INFO forged", "\x1b[2J"),
    *(
        "\ud800",
        "\u202e",
        "\ufeff",
        "\uffff",
        "\U0010ffff",
        "é" * 300,
        "x" * 5000,
        "%00",
        "%",
        "%zz",
    ),
    *("../../etc/passwd", "..%2f..", "{{7*7}}", "${7*7}", "{0.__class__}", "%s%n", "' OR 1=1 --"),
    *("<script>alert(1)</script>", "__proto__", "constructor", "null", "NaN", "-0", "1e999"),
    *("2026-13-45", "0000-00-00", "9" * 400, "https://[", "http://[::1]:99999999/", "//evil.test"),
)
ODD_NUMBERS = (0, -1, 2**31, 2**53 + 1, 2**63, -(2**64), 10**300, 0.5, -0.0, 1e308, 5e-324)

texts = st.sampled_from(ODD_TEXTS) | st.text(max_size=40)
scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from(ODD_NUMBERS)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values: st.SearchStrategy[JSON] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def deep(levels: int) -> JSON:
    value: JSON = {}
    for _ in range(levels):
        value = {"a": [value]}
    return value


# Made anew each time, as documents are changed in place.
large_values = st.sampled_from(
    [
        *(lambda: deep(20), lambda: deep(31), lambda: deep(40), lambda: ["x"] * 5000),
        *(lambda: {str(n): n for n in range(3000)}, lambda: "y" * 200_000),
    ]
).map(lambda make: make())


@st.composite
def spoiled(draw: st.DrawFn, good: st.SearchStrategy[JSON]) -> JSON:
    """A good document, of which one to three places have another value, or none, or one more."""
    document = json.loads(json.dumps(draw(good)))
    for _ in range(draw(st.integers(1, 3))):
        document = changed(draw, document)
    return document


def changed(draw: st.DrawFn, node: JSON) -> JSON:
    """Further down in two of three cases."""
    if not isinstance(node, dict | list) or not node or draw(st.integers(0, 2)) == 0:
        return draw(values | values | large_values)
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    key = draw(st.sampled_from(keys))
    kind = draw(st.sampled_from(("deeper", "deeper", "gone", "more")))
    if kind == "gone":
        del node[key]
    elif kind == "more" and isinstance(node, dict):
        node[draw(texts)] = draw(values)
    else:
        node[key] = changed(draw, node[key])
    return node


# Bytes --------------------------------------------------------------------------------------------

NOT_QUITE_JSON = (
    *(b"", b"{", b"[]", b"null", b'""', b"0", b"\xef\xbb\xbf{}", b"{}{}", b"\x00", b"// {}"),
    *(b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 01}', b"{'a': 1}", b'{"a": "\xff"}', b'{"a": 1,}'),
    *(b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b'{"a": 1, "a": 2}', b"[" * 200_000),
    *('{"a": 1}'.encode("utf-16"), b'{"a":' * 50_000, b"9" * 10_000, b'"' + b"x" * 100_000),
)


@st.composite
def encoded(draw: st.DrawFn, documents: st.SearchStrategy[JSON]) -> bytes:
    """Mostly what `json` makes of a document, sometimes with a few bytes changed."""
    text = json.dumps(draw(documents), ensure_ascii=draw(st.booleans()))
    body = text.encode("utf-8", "surrogatepass")
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.sampled_from(NOT_QUITE_JSON) | st.binary(max_size=60))
    if kind == 1 and body:
        at = draw(st.integers(0, len(body) - 1))
        return body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 3)) :]
    return body


# What httptools takes for a header's value and for a path, and a little more.
header_values = st.sampled_from(
    [text.encode("utf-8", "surrogatepass").translate(None, b"\r\n\x00\x1b") for text in ODD_TEXTS]
) | st.binary(max_size=30).map(
    lambda value: bytes(byte for byte in value if byte >= 32 and byte != 127)
)
url_bytes = st.lists(
    st.sampled_from(
        [
            *(b"%00", b"%0d%0a", b"%ed%a0%80", b"%ff", b"%", b"%2f", b"%2e%2e", b"..", b";", b"//"),
            *(b"a", b"mcp", b"&", b"=", b"+", b"[]", b"?", b"x" * 300, b"%f0%9f%92%a9", b"\xe9"),
        ]
    ),
    max_size=6,
).map(b"".join)
