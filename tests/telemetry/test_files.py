"""The dashboard and the alerts name series and labels that there are, and leave none out."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from telemetry.metrics import Collectors
from tests.docs.markdown import ROOT, code, read, tables_with

FOLDER = ROOT / "deploy/observability"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
# Prometheus' own, about its scrapes; and what it adds to each series.
PROMETHEUS_OWN = {"up": {"job"}}
ADDED_LABELS = {"instance", "job"}
PARTS_OF_A_HISTOGRAM = ("_bucket", "_sum", "_count")
DURATION = re.compile(r"\d+[smhd]")


def labels_by_name() -> dict[str, set[str]]:
    """As /metrics names each series, with the labels it has when there are several workers."""
    collectors = Collectors(CollectorRegistry())
    own = [each for each in vars(collectors).values() if isinstance(each, MetricWrapperBase)]
    named: dict[str, set[str]] = {}
    for metric in [*own, *collectors.gauges.values()]:
        labels = set(metric._labelnames) | ADDED_LABELS
        if getattr(metric, "_multiprocess_mode", "") == "liveall":
            labels.add("pid")
        name = metric._name
        if metric._type == "histogram":
            named |= {f"{name}{part}": labels | {"le"} for part in PARTS_OF_A_HISTOGRAM}
        else:
            named[f"{name}_total" if metric._type == "counter" else name] = labels
    return named | PROMETHEUS_OWN


NAMED = labels_by_name()


def dashboards_expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


EXPRESSIONS = [*dashboards_expressions(), *(rule["expr"] for rule in RULES)]


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:wivmcp_\w+|up)\b", expression))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_series_and_labels_that_there_are(expression):
    names = names_in(expression)
    assert names
    assert names <= set(NAMED)
    for name, matchers in re.findall(r"\b(wivmcp_\w+|up)\{(.*?)\}", expression):
        assert set(re.findall(r"(\w+)(?:=~|!=|!~|=)\"", matchers)) <= NAMED[name]
    allowed = set.union(*(NAMED[name] for name in names))
    for labels in re.findall(r"\bby \((.*?)\)", expression):
        assert set(labels.split(", ")) <= allowed


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_is_well_formed_as_far_as_that_can_be_seen(expression):
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)
    assert expression.count('"') % 2 == 0
    for counter in [name for name in names_in(expression) if re.search("_(total|bucket)$", name)]:
        ranges = re.findall(rf"(?:rate|increase)\({counter}(?:\{{.*?\}})?\[", expression)
        assert len(ranges) == len(re.findall(rf"\b{counter}\b", expression))


def test_what_the_code_counts_is_shown():
    shown = {re.sub("_(bucket|sum|count)$", "", each) for each in names_in(" ".join(EXPRESSIONS))}
    counted = {re.sub("_(bucket|sum|count)$", "", each) for each in NAMED}
    assert shown == counted


def test_the_names_are_those_that_the_server_tells(http, settings):
    headers = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}
    text = http.get("/metrics", headers=headers).raise_for_status().text
    told = set(re.findall(r"^# TYPE (wivmcp_\w+) ", text, re.MULTILINE))
    assert told == {re.sub("_(bucket|sum|count)$", "", each) for each in NAMED} - {"up"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_has_what_prometheus_and_people_need(rule):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Wivmcp[A-Z][A-Za-z]+", rule["alert"])
    assert DURATION.fullmatch(rule.get("for", "0m"))
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")


def test_no_two_rules_have_one_name_and_operations_says_what_to_do_about_each():
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    [table] = tables_with(read("docs/operations.md"), "Alert")
    assert [code(row["Alert"]) for row in table.rows] == names


def test_operations_lists_each_metric_with_its_labels():
    [table] = tables_with(read("docs/operations.md"), "Metric")
    documented = {
        code(row["Metric"]): set(re.findall(r"`(\w+)`", row["Labels"])) for row in table.rows
    }
    counted = {
        re.sub("_(bucket|sum|count)$", "", name): labels - ADDED_LABELS - {"le"}
        for name, labels in NAMED.items()
        if name not in PROMETHEUS_OWN
    }
    assert documented == counted


def test_no_two_panels_lie_on_each_other():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
