"""Wiv's cases: filters, scroll paging, summaries, the OpenSearch subset, an MSP's children."""

from typing import Any

import pytest

from sandbox import fixtures
from tests.sandbox.conftest import Sandbox, Wiv

CASE_FIELDS = {
    "case_id",
    "recommendation_id",
    "case_type",
    "status",
    "lifecycle",
    "is_new",
    "resource_id",
    "region",
    "account_id",
    "account_name",
    "cloud_provider",
    "owner",
    "annual_potential_savings",
    "cost_impact",
    "realized_savings",
    "currency",
    "service",
    "service_group",
    "board",
    "criteria",
    "effort",
    "workflow_id",
    "created_at",
    "updated_at",
    "closed_at",
    "comments_count",
    "external_ticket",
}


def search(wiv: Wiv, **body: Any) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = wiv.post("/v2/cases/search", body)["data"]
    return cases


def query(wiv: Wiv, **body: Any) -> Any:
    return wiv.post("/v2/cases/query", {"query": {"match_all": {}}, "size": 500} | body)


def sources(answer: Any) -> list[dict[str, Any]]:
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def test_cases_are_listed_by_cost_impact(ana: Wiv):
    listed = ana.get("/v2/cases", limit=200)
    impacts = [case["cost_impact"] for case in listed["data"]]
    assert listed["total"] == 120
    assert impacts == sorted(impacts, reverse=True)
    assert listed["data"][0].keys() == CASE_FIELDS


def test_a_case_is_coherent(ana: Wiv):
    for case in search(ana):
        is_open = case["status"] in ("To Do", "Acknowledged", "In Progress", "Exclude")
        assert (case["lifecycle"] == "Open") is is_open
        assert (case["closed_at"] is None) is is_open
        assert case["created_at"] <= case["updated_at"]
        assert case["cost_impact"] >= case["annual_potential_savings"] > 0
        assert ana.get(f"/workflows/{case['workflow_id']}")


def test_the_simple_list_is_filtered(ana: Wiv):
    listed = ana.get("/v2/cases", status="To Do", owner=fixtures.ANA_EMAIL)["data"]
    assert listed
    assert {(case["status"], case["owner"]) for case in listed} == {("To Do", fixtures.ANA_EMAIL)}
    assert ana.refusal("GET", "/v2/cases", params={"status": "Open"})[0] == 400


def test_values_of_a_filter_are_ored_and_filters_are_anded(ana: Wiv):
    filters = {"status": ["To Do", "In Progress"], "cloud_provider": ["azure"]}
    found = search(ana, filters=filters)
    assert {case["status"] for case in found} == {"To Do", "In Progress"}
    assert {case["cloud_provider"] for case in found} == {"azure"}
    assert {case["is_new"] for case in search(ana, filters={"is_new": True})} == {True}


def test_a_date_range_includes_both_ends(ana: Wiv):
    days = sorted({case["created_at"][:10] for case in search(ana)})
    found = search(ana, date_range={"start": days[3], "end": days[5]})
    assert {case["created_at"][:10] for case in found} == set(days[3:6])


def test_scrolling_gives_every_case_once_in_one_order(ana: Wiv):
    everything = [case["case_id"] for case in search(ana)]
    scrolled, key = [], None
    for _ in range(3):
        body: dict[str, Any] = {"max_returned_items": 50}
        page = ana.post("/v2/cases/search", body | ({"start_page_key": key} if key else {}))
        scrolled += [case["case_id"] for case in page["data"]]
        key = page["next_page_key"]
    assert key is None
    assert scrolled == everything


def test_a_scroll_id_can_be_read_twice_but_not_invented(ana: Wiv):
    key = ana.post("/v2/cases/search", {"max_returned_items": 25})["next_page_key"]
    first, again = (search(ana, max_returned_items=25, start_page_key=key) for _ in range(2))
    assert first == again
    invented = {"start_page_key": {"scroll_id": "FGluY2x1Z=="}}
    assert ana.refusal("POST", "/v2/cases/search", json=invented) == (400, "Invalid scroll_id")


def test_a_scroll_id_is_worth_nothing_to_another_tenant_or_later(ana: Wiv, sandbox: Sandbox):
    page = ana.post("/v2/cases/search", {"max_returned_items": 25})
    body = {"start_page_key": page["next_page_key"]}
    contoso = Wiv(sandbox, fixtures.MAX, fixtures.CONTOSO)
    assert contoso.refusal("POST", "/v2/cases/search", json=body)[0] == 400
    sandbox.control("clock", advance_seconds=fixtures.SCROLL_LIFE_SECONDS)
    assert ana.refusal("POST", "/v2/cases/search", json=body)[0] == 400


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "Request body must be a dictionary"),
        ({"colour": "red"}, "Invalid fields requested"),
        ({"filters": {"colour": ["red"]}}, "Unknown filter: colour"),
        ({"filters": {"status": "To Do"}}, "Filter status must be a list of values"),
        (
            {"date_range": {"start": "yesterday", "end": "today"}},
            "date_range must have start and end as YYYY-MM-DD",
        ),
        (
            {"max_returned_items": 501},
            "max_returned_items must be a whole number from 1 to 500",
        ),
    ],
)
def test_a_search_is_refused(ana: Wiv, body: Any, text: str):
    assert ana.refusal("POST", "/v2/cases/search", json=body) == (400, text)


def test_a_summary_adds_up_to_its_groups(ana: Wiv):
    summary = ana.post("/v2/cases/summary", {"group_by": "service"})["data"]
    groups = summary["groups"]
    assert summary["total_cases"] == sum(group["cases"] for group in groups) == 120
    potential = sum(group["annual_potential_savings"] for group in groups)
    assert summary["annual_potential_savings"] == pytest.approx(potential)
    still_open = search(ana, filters={"lifecycle": ["Open"]})
    expected = sum(case["annual_potential_savings"] for case in still_open)
    assert summary["annual_potential_savings"] == pytest.approx(expected)


def test_a_summary_without_group_has_totals_only(ana: Wiv):
    body = {"filters": {"status": ["Verified"]}}
    summary = ana.post("/v2/cases/summary", body)["data"]
    assert summary["realized_savings"] > 0
    assert "groups" not in summary
    assert ana.refusal("POST", "/v2/cases/summary", json={"group_by": "colour"})[0] == 400


def test_filters_and_their_values_are_listed(ana: Wiv):
    names = [one["name"] for one in ana.get("/v2/cases/filters")["data"]]
    assert "owner" in names
    owners = ana.get("/v2/cases/filters/owner/values")
    assert fixtures.ANA_EMAIL in [one["value"] for one in owners["data"]]
    found = ana.get("/v2/cases/filters/owner/values", search="ANA@")["data"]
    assert [one["value"] for one in found] == [fixtures.ANA_EMAIL]
    assert found[0]["count"] == len(search(ana, filters={"owner": [fixtures.ANA_EMAIL]}))
    assert ana.refusal("GET", "/v2/cases/filters/colour/values") == (404, "Not found")


@pytest.mark.parametrize(
    ("opensearch", "matches"),
    [
        ({"match_all": {}}, lambda c: True),
        ({"term": {"status": "To Do"}}, lambda c: c["status"] == "To Do"),
        ({"term": {"status.keyword": {"value": "To Do"}}}, lambda c: c["status"] == "To Do"),
        ({"term": {"is_new": True}}, lambda c: c["is_new"]),
        ({"terms": {"effort": ["Low", "High"]}}, lambda c: c["effort"] != "Medium"),
        (
            {"range": {"annual_potential_savings": {"gte": 1000, "lt": 5000}}},
            lambda c: 1000 <= c["annual_potential_savings"] < 5000,
        ),
        (
            {"range": {"created_at": {"gt": "2026-11-01", "lte": "2026-11-10"}}},
            lambda c: "2026-11-01" < c["created_at"][:10] <= "2026-11-10",
        ),
        ({"match": {"case_type": "idle VMS"}}, lambda c: "Idle" in c["case_type"]),
        (
            {"match": {"case_type": {"query": "rds idle", "operator": "and"}}},
            lambda c: c["case_type"] == "RDS Idle Instances",
        ),
        ({"exists": {"field": "owner"}}, lambda c: c["owner"]),
        ({"prefix": {"account_name": "acme-s"}}, lambda c: c["account_name"] == "acme-staging"),
        (
            {"wildcard": {"case_type": {"value": "*EBS*"}}},
            lambda c: "EBS" in c["case_type"],
        ),
        (
            {"term": {"external_ticket.system": "Jira"}},
            lambda c: c["external_ticket"] is not None,
        ),
        (
            {
                "bool": {
                    "filter": [{"term": {"lifecycle": "Open"}}],
                    "must_not": {"term": {"effort": "High"}},
                    "should": [
                        {"term": {"cloud_provider": "gcp"}},
                        {"term": {"cloud_provider": "azure"}},
                    ],
                    "minimum_should_match": 1,
                }
            },
            lambda c: (
                c["lifecycle"] == "Open" and c["effort"] != "High" and c["cloud_provider"] != "aws"
            ),
        ),
    ],
)
def test_an_opensearch_query_finds_what_it_says(ana: Wiv, opensearch: Any, matches: Any):
    expected = {case["case_id"] for case in search(ana) if matches(case)}
    found = {case["case_id"] for case in sources(query(ana, query=opensearch))}
    assert found == expected
    assert found


def test_hits_are_sorted_paged_and_trimmed(ana: Wiv):
    everything = sources(query(ana, sort=[{"annual_potential_savings": {"order": "desc"}}]))
    savings = [case["annual_potential_savings"] for case in everything]
    assert savings == sorted(savings, reverse=True)
    page = query(
        ana,
        sort=[{"annual_potential_savings": "desc"}],
        size=5,
        _source=["case_id"],
        **{"from": 5},
    )
    assert sources(page) == [{"case_id": case["case_id"]} for case in everything[5:10]]
    assert page["hits"]["total"] == {"value": 120, "relation": "eq"}


def test_aggregations_nest(ana: Wiv):
    aggs = {
        "by_service": {
            "terms": {"field": "service", "size": 3, "order": {"saved": "desc"}},
            "aggs": {
                "saved": {"sum": {"field": "annual_potential_savings"}},
                "largest": {"max": {"field": "annual_potential_savings"}},
            },
        },
        "mean": {"avg": {"field": "cost_impact"}},
        "smallest": {"min": {"field": "cost_impact"}},
        "counted": {"value_count": {"field": "owner"}},
    }
    answer = query(ana, size=0, aggs=aggs)
    assert answer["hits"]["hits"] == []
    aggregations = answer["aggregations"]
    buckets = aggregations["by_service"]["buckets"]
    sums = [bucket["saved"]["value"] for bucket in buckets]
    assert len(buckets) == 3
    assert sums == sorted(sums, reverse=True)
    assert aggregations["by_service"]["sum_other_doc_count"] == 120 - sum(
        bucket["doc_count"] for bucket in buckets
    )
    assert aggregations["mean"]["value"] > aggregations["smallest"]["value"]
    owned = [case for case in search(ana) if case["owner"]]
    assert aggregations["counted"]["value"] == len(owned)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "query is required"),
        ({"query": {"fuzzy": {"owner": "ana"}}}, "Unsupported query: fuzzy"),
        ({"query": {"script": {"script": "1"}}}, "Scripts are not allowed"),
        (
            {"query": {"match_all": {}}, "sort": [{"_script": {"order": "asc"}}]},
            "Scripts are not allowed",
        ),
        (
            {"query": {"match_all": {}}, "aggs": {"a": {"median": {"field": "x"}}}},
            "Unsupported aggregation: median",
        ),
        ({"query": {"match_all": {}}, "size": 501}, "size must be a whole number from 0 to 500"),
        ({"query": {"match_all": {}}, "highlight": {}}, "Invalid fields requested"),
        (
            {"query": {"range": {"created_at": {"gte": "now-7d"}}}},
            "Date math is not supported; give dates as YYYY-MM-DD",
        ),
        (
            {"query": {"match_all": {}, "term": {}}},
            "A query must be an object with exactly one key",
        ),
        (
            {"query": {"match_all": {}}, "aggs": {"a": {"sum": {"field": "owner"}}}},
            "sum needs a field of numbers",
        ),
    ],
)
def test_a_query_is_refused_with_the_reason(ana: Wiv, body: Any, text: str):
    assert ana.refusal("POST", "/v2/cases/query", json=body) == (400, text)


def test_an_msp_sees_its_children_and_not_itself(msp: Wiv):
    cases = msp.post("/v2/cases/msp/search", {"max_returned_items": 500})["data"]
    assert {case["customer_id"] for case in cases} == set(fixtures.MSP_CUSTOMER_IDS)
    assert {case["customer_name"] for case in cases} == {
        "Northwind Traders",
        "Fabrikam Inc",
        "Tailwind Toys",
    }
    own = msp.get("/v2/cases")["data"]
    assert not {case["case_id"] for case in own} & {case["case_id"] for case in cases}
    assert own[0].keys() == CASE_FIELDS


def test_customer_id_picks_one_child(msp: Wiv):
    for customer_id in fixtures.MSP_CUSTOMER_IDS:
        cases = msp.post("/v2/cases/msp/search", {}, customer_id=customer_id)["data"]
        assert {case["customer_id"] for case in cases} == {customer_id}
    elsewhere = msp.refusal("POST", "/v2/cases/msp/search?customer_id=org_acme", json={})
    assert elsewhere == (404, "Not found")


def test_an_msp_summary_is_grouped_by_customer_unless_told_otherwise(msp: Wiv):
    groups = msp.post("/v2/cases/msp/summary", {})["data"]["groups"]
    assert {group["value"] for group in groups} == set(fixtures.MSP_CUSTOMER_IDS)
    assert {group["customer_name"] for group in groups} >= {"Fabrikam Inc"}
    by_status = msp.post("/v2/cases/msp/summary", {"group_by": "status"})["data"]
    assert by_status["group_by"] == "status"


def test_msp_filter_values_types_and_queries_cover_the_children(msp: Wiv):
    customers = msp.get("/v2/cases/msp/filters/customer_id/values")["data"]
    assert {one["value"] for one in customers} == set(fixtures.MSP_CUSTOMER_IDS)
    types = msp.get("/v2/cases/msp/types", customer_id="org_fabrikam")["data"]
    assert sum(one["cases"] for one in types) == 26
    body = {"query": {"term": {"customer_id": "org_tailwind"}}}
    assert msp.post("/v2/cases/msp/query", body)["hits"]["total"]["value"] == 9
