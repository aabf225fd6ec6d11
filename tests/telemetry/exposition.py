"""Reads Prometheus' text format."""

import re


def number(metrics: str, name: str, **labels: str) -> float:
    """The sum of all series of that name that have those labels."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", metrics, re.MULTILINE)
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    return sum(float(value) for has, value in found if wanted <= set(has.split(",")))
