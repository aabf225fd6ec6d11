"""Does a text that models read hide something, or give orders that its readers would not expect?

Tool poisoning: what a person who approves a tool sees differs from what the model is told.
Invisible characters have no honest use here, so they are errors. Orders may be meant well, so they
are warnings.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_gateway.findings.finding import Finding, Rule, Severity, pointer

ALL = ("every client",)
POISONING = (
    "https://invariantlabs.ai/blog/mcp-security-notification-tool-poisoning-attacks",
    "https://agentthreatrule.org/en/rules/ATR-2026-00161",
)

HIDDEN = Rule(
    "hidden-characters",
    "It has characters that nobody sees or that change how text looks: {found}. Remove them.",
    ALL,
    "https://mcp-sentry.vercel.app/rules/MCP03",
    Severity.ERROR,
)
# In values that are sent on, like an enum's, such a character may be what the API wants.
HIDDEN_IN_A_VALUE = Rule(
    "hidden-characters",
    "A value has characters that nobody sees: {found}. Remove them, unless the API needs them.",
    ALL,
    "https://mcp-sentry.vercel.app/rules/MCP03",
)
INSTRUCTIONS = Rule(
    "instructions",
    "This reads like an order to the model rather than a description ({what}): {quote!r}. "
    "Say what the tool does; careful clients and scanners take it for an attack.",
    ALL,
    POISONING[1],
)
OUT_OF_SIGHT = Rule(
    "out-of-sight",
    "A long run of blanks pushes what follows out of sight of whoever approves the tool. "
    "Remove it.",
    ALL,
    POISONING[0],
)

TEXT_FIELDS = ("name", "title", "description", "retirement_note")
SETTINGS = ("body_wrapper", "projection")  # read by this server, not by models
TEXT_KEYWORDS = ("title", "description", "$comment")
VALUE_KEYWORDS = ("enum", "const", "default", "examples")

ALLOWED_CONTROLS = "\t\n\r"  # browsers send a text area's lines with CR LF
# Drawn as nothing, though Unicode calls them letters, marks or symbols.
BLANK = {
    *map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)),
    *map(chr, range(0x180B, 0x1810)),
    *map(chr, range(0xFE00, 0xFE0E)),  # variation selectors can carry bytes; emoji need the last 2
    *map(chr, range(0xE0000, 0xE0200)),  # tags, and more variation selectors
}
# Zero-width (non-)joiners: emoji, Persian and Indic scripts need them between their own characters.
JOINERS = "\u200c\u200d"
EMOJI_STYLES = "\ufe0e\ufe0f"
HIDDEN_CATEGORIES = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")

BLANKS = re.compile(r"[ \t\u00a0\u2000-\u200a\u3000]{20}|(?:[ \t]*\r?\n){6}")

# What is looked for, in text without case and compatibility forms.
ORDERS = tuple(
    (what, re.compile(pattern))
    for what, pattern in (
        (
            "it overrides other instructions",
            r"\b(?:ignore|disregard|forget|override)\b.{0,30}"
            r"\b(?:previous|prior|above|earlier|preceding|other|all|system)\b.{0,20}"
            r"\b(?:instructions?|prompts?|rules|messages?|guidelines)\b",
        ),
        (
            "it keeps something from the user",
            r"\b(?:do not|don't|never|without)\b.{0,20}"
            r"\b(?:tell|telling|mention|mentioning|inform|informing|show|showing|reveal|revealing"
            r"|notify|notifying|alert|alerting|ask|asking)\b.{0,25}\busers?\b"
            r"|\b(?:hide|conceal|keep)\b.{0,30}\bfrom the user\b",
        ),
        (
            "it imitates a prompt's markup",
            r"</?\s*(?:important|system|instructions?|secret|assistant|admin|critical)\b[^>]{0,80}>"
            r"|<\|[a-z_]+\|>|\[/?inst\]|(?:^|\n)\s*(?:#+\s*)?(?:system|assistant)\s*(?:prompt)?\s*:",
        ),
        ("it has a hidden comment", r"<!--|\[//\]:\s*#"),
        (
            "it asks for files or secrets",
            r"~/\.\w|\bid_(?:rsa|ed25519|ecdsa)\b|/etc/(?:passwd|shadow)|\bmcp\.json\b"
            r"|\bauthorized_keys\b|\.aws/credentials|(?:^|[\s`\"'/])\.env\b"
            r"|\b(?:include|pass|provide|put|paste|insert|copy|attach|append)\b.{0,40}"
            r"\b(?:api[ _-]?keys?|passwords?|secrets?|credentials?|private keys?|access tokens?"
            r"|system prompt|conversation|chat history)\b",
        ),
        (
            "it sends data elsewhere",
            r"\b(?:send|forward|post|upload|exfiltrate|transmit|leak|bcc)\b.{0,60}"
            r"(?:https?://|\b[\w.+-]+@[\w-]+\.\w)",
        ),
        (
            "it commands other tools",
            r"\b(?:before|after|instead of|when)\b.{0,15}\b(?:using|calling|running|invoking)\b"
            r".{0,12}\b(?:any|every|all|other|another)\b.{0,10}\btools?\b"
            r"|\binstead of (?:any|all|every|the) other tools?\b"
            r"|\balways (?:call|use|run|invoke) this tool\b",
        ),
        (
            "it changes the model's role",
            r"\byou are now\b|\bnew instructions?\s*:|\bfrom now on\b|\byou must (?:always|never)\b"
            r"|\bpretend (?:to be|you)\b",
        ),
        ("it has a coded block", r"[a-z0-9+/]{120,}={0,2}"),
    )
)


def text_findings(definition: Mapping[str, Any]) -> Iterator[Finding]:
    for name in TEXT_FIELDS:
        if isinstance(text := definition.get(name), str):
            yield from prose_findings(text, name)
    for name in SETTINGS:
        if isinstance(text := definition.get(name), str) and (found := hidden_characters(text)):
            yield HIDDEN.at(name, found=", ".join(found))
    for text, path, is_value in schema_texts(definition.get("input_schema"), "input_schema"):
        if not is_value:
            yield from prose_findings(text, path)
        elif hidden := hidden_characters(text):
            yield HIDDEN_IN_A_VALUE.at(path, found=", ".join(hidden))


def prose_findings(text: str, path: str) -> Iterator[Finding]:
    if found := hidden_characters(text):
        yield HIDDEN.at(path, found=", ".join(found))
    if BLANKS.search(text):
        yield OUT_OF_SIGHT.at(path)
    for what, quote in instructions_in(text):
        yield INSTRUCTIONS.at(path, what=what, quote=quote)


def schema_texts(schema: object, path: str) -> Iterator[tuple[str, str, bool]]:
    """Each text of a schema with its path, and whether it is a value rather than prose.

    Keys are texts too: models read the names of arguments. Patterns aren't prose.
    """
    todo: list[tuple[object, str, bool]] = [(schema, path, False)]
    while todo:
        node, here, is_value = todo.pop()
        if isinstance(node, str):
            yield node, here, is_value
        elif isinstance(node, list):
            todo += [(item, pointer(here, i), is_value) for i, item in enumerate(node)]
        elif isinstance(node, Mapping):
            for key, value in node.items():
                place = pointer(here, key)
                yield key, place, is_value
                is_text = not isinstance(value, str) or key in (*TEXT_KEYWORDS, *VALUE_KEYWORDS)
                if is_text or is_value:
                    todo.append((value, place, is_value or key in VALUE_KEYWORDS))


def hidden_characters(text: str) -> list[str]:
    """["U+200B ZERO WIDTH SPACE"], each once."""
    found = {}
    for i, character in enumerate(text):
        if is_hidden(character, text[i - 1 : i], text[i + 1 : i + 2]):
            name = unicodedata.name(character, "control character")
            found[character] = f"U+{ord(character):04X} {name}"
    return list(found.values())


def is_hidden(character: str, before: str, after: str) -> bool:
    if character in ALLOWED_CONTROLS or " " <= character <= "~":
        return False
    if character in JOINERS:
        return not (is_visible_and_foreign(before) and is_visible_and_foreign(after))
    if character in EMOJI_STYLES:
        return before in ("", *EMOJI_STYLES)
    return character in BLANK or unicodedata.category(character) in HIDDEN_CATEGORIES


def is_visible_and_foreign(character: str) -> bool:
    is_hidden_itself = character in BLANK or unicodedata.category(character or " ")[0] in "CZ"
    return character > "\x7f" and not is_hidden_itself


def instructions_in(text: str) -> list[tuple[str, str]]:
    """What each order does, and the words that say it. What is hidden or written wide is found."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(c for c in plain if c in ALLOWED_CONTROLS or not is_hidden(c, "", ""))
    plain = plain.casefold().replace("\u2019", "'")
    found = ((what, pattern.search(plain)) for what, pattern in ORDERS)
    return [(what, match[0].strip()[:60]) for what, match in found if match]
