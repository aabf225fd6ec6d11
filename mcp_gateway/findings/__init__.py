"""What would go wrong with a tool in real clients, before any of them sees it?

`findings` answers for the plain fields of one tool, stored or not: no Django, no database, no I/O.
An error keeps a tool from being saved, a warning is told to whoever saves it, a note only stands on
the tool's page. It takes any JSON, valid or not, so that a row that was written past validation can
be looked at as well.
"""

from collections.abc import Mapping
from typing import Any

from mcp_gateway.findings.fields import field_findings
from mcp_gateway.findings.finding import Finding, Rule, Severity
from mcp_gateway.findings.schema import RESERVED_ARGUMENT, schema_findings
from mcp_gateway.findings.text import hidden_characters, instructions_in, text_findings

__all__ = [
    "RESERVED_ARGUMENT",
    "Finding",
    "Rule",
    "Severity",
    "findings",
    "hidden_characters",
    "instructions_in",
]

ORDER = list(Severity)


def findings(definition: Mapping[str, Any]) -> list[Finding]:
    """The worst first. `definition` has a tool's fields by name; those that are absent are fine."""
    schema = definition.get("input_schema")
    found = [
        *field_findings(definition),
        *schema_findings(schema if isinstance(schema, Mapping) else {}),
        *text_findings(definition),
    ]
    return sorted(found, key=lambda finding: ORDER.index(finding.severity))
