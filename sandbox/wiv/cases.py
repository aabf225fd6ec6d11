"""FinOps cases of one tenant, or of an MSP's child tenants: list, search, summarize, query.

Filters: the values of one field are OR-ed, the fields AND-ed; `date_range` is about `created_at`.
A search's order is fixed at its first page: highest cost impact first.
"""

import base64
import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox import fixtures
from sandbox.wiv.call import Call, bad_request, contains, data, is_date, not_found
from sandbox.wiv.opensearch import BadQuery, answer
from sandbox.wiv.tenant import Document, Scroll

OPEN_STATUSES = ("To Do", "Acknowledged", "In Progress", "Exclude")
CLOSED_STATUSES = ("Completed", "Verified", "Expired")
STATUSES = (*OPEN_STATUSES, *CLOSED_STATUSES)

FILTERS = {
    "status": "Status",
    "lifecycle": "Lifecycle",
    "case_type": "Case type",
    "service": "Service",
    "service_group": "Service group",
    "account_id": "Account id",
    "account_name": "Account",
    "region": "Region",
    "cloud_provider": "Cloud provider",
    "owner": "Owner",
    "board": "Board",
    "effort": "Effort",
    "is_new": "New",
}
MSP_FILTERS = {"customer_id": "Customer", **FILTERS}
SEARCH_FIELDS = ("filters", "date_range", "max_returned_items", "start_page_key")
SUMMARY_FIELDS = ("filters", "date_range", "group_by")
QUERY_FIELDS = ("query", "size", "from", "sort", "_source", "aggs")


def list_cases(call: Call) -> Response:
    call.query_choice("status", STATUSES)
    simple = ("status", "case_type", "owner", "account_id")
    wanted = [
        case
        for case in _by_cost_impact(call.tenant.cases)
        if all(call.query(field) in (None, case[field]) for field in simple)
    ]
    return call.page(wanted)


def search_cases(call: Call) -> Response:
    return _search(call, call.tenant.cases, FILTERS)


def summarize_cases(call: Call) -> Response:
    return _summarize(call, call.tenant.cases, FILTERS, None)


def list_filters(call: Call) -> Response:
    return data(
        [
            {"name": name, "label": label, "type": "boolean" if name == "is_new" else "string"}
            for name, label in FILTERS.items()
        ]
    )


def list_filter_values(call: Call) -> Response:
    return _filter_values(call, call.tenant.cases, FILTERS)


def query_cases(call: Call) -> Response:
    return _query(call, call.tenant.cases)


def search_msp_cases(call: Call) -> Response:
    return _search(call, _customers_cases(call), MSP_FILTERS)


def summarize_msp_cases(call: Call) -> Response:
    return _summarize(call, _customers_cases(call), MSP_FILTERS, "customer_id")


def list_msp_filter_values(call: Call) -> Response:
    return _filter_values(call, _customers_cases(call), MSP_FILTERS)


def query_msp_cases(call: Call) -> Response:
    return _query(call, _customers_cases(call))


def list_msp_case_types(call: Call) -> Response:
    groups = _groups(_customers_cases(call), "case_type")
    return data([{"case_type": group.pop("value"), **group} for group in groups])


def _customers_cases(call: Call) -> list[Document]:
    """Every child's cases, or one child's with `customer_id`, each saying whose it is."""
    customer_id = call.query("customer_id")
    wanted = [child for child in call.tenant.customers if customer_id in (None, child.tenant_id)]
    if not wanted:
        raise not_found()
    return [
        case | {"customer_id": child.tenant_id, "customer_name": child.name}
        for child in wanted
        for case in child.cases
    ]


def _by_cost_impact(cases: Sequence[Document]) -> list[Document]:
    return sorted(cases, key=lambda case: (-case["cost_impact"], case["case_id"]))


def _search(call: Call, cases: list[Document], filters: dict[str, str]) -> Response:
    body = call.body_with(SEARCH_FIELDS)
    size = body.get("max_returned_items", 250)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 500:
        raise bad_request("max_returned_items must be a whole number from 1 to 500")
    if body.get("start_page_key") is not None:
        rest = _scrolled(call, body["start_page_key"])
    else:
        rest = tuple(_by_cost_impact(_filtered(body, cases, filters)))
    return JSONResponse(
        {"data": list(rest[:size]), "next_page_key": _next_page_key(call, rest[size:])}
    )


def _scrolled(call: Call, start_page_key: Any) -> tuple[Document, ...]:
    key = start_page_key.get("scroll_id") if isinstance(start_page_key, dict) else None
    scroll = call.tenant.scrolls.get(key) if isinstance(key, str) else None
    if scroll is None or scroll.route != call.request.url.path or scroll.expires_at <= call.now:
        raise bad_request("Invalid scroll_id")
    return scroll.cases


def _next_page_key(call: Call, rest: tuple[Document, ...]) -> Document | None:
    if not rest:
        return None
    scroll_id = base64.b64encode(secrets.token_bytes(25)).decode()
    expires_at = call.now + fixtures.SCROLL_LIFE_SECONDS
    call.tenant.scrolls[scroll_id] = Scroll(call.request.url.path, rest, expires_at)
    return {"scroll_id": scroll_id}


def _filtered(body: Document, cases: list[Document], filters: dict[str, str]) -> list[Document]:
    wanted = _wanted_values(body.get("filters") or {}, filters)
    start, end = _date_range(body.get("date_range"))
    return [
        case
        for case in cases
        if start <= case["created_at"][:10] <= end
        and all(case[field] in values for field, values in wanted.items())
    ]


def _wanted_values(given: Any, filters: dict[str, str]) -> dict[str, list[Any]]:
    """{"status": ["To Do"], "is_new": true}  ->  {"status": ["To Do"], "is_new": [True]}"""
    if not isinstance(given, dict):
        raise bad_request("filters must be a dictionary")
    unknown = [field for field in given if field not in filters]
    if unknown:
        raise bad_request(f"Unknown filter: {', '.join(unknown)}")
    wanted = {}
    for field, values in given.items():
        listed = [values] if isinstance(values, bool) else values
        if not isinstance(listed, list):
            raise bad_request(f"Filter {field} must be a list of values")
        wanted[field] = listed
    return wanted


def _date_range(given: Any) -> tuple[str, str]:
    if given is None:
        return "0000-00-00", "9999-99-99"
    ends = (given.get("start"), given.get("end")) if isinstance(given, dict) else (None, None)
    if not is_date(ends[0]) or not is_date(ends[1]):
        raise bad_request("date_range must have start and end as YYYY-MM-DD")
    return str(ends[0]), str(ends[1])


def _summarize(
    call: Call, cases: list[Document], filters: dict[str, str], default_group: str | None
) -> Response:
    body = call.body_with(SUMMARY_FIELDS)
    group_by = body.get("group_by", default_group)
    if group_by is not None and group_by not in filters:
        raise bad_request(f"group_by must be one of: {', '.join(filters)}")
    chosen = _filtered(body, cases, filters)
    summary = {"total_cases": len(chosen), **_savings(chosen), "currency": "USD"}
    if group_by is None:
        return data(summary)
    return data(summary | {"group_by": group_by, "groups": _groups(chosen, group_by)})


def _groups(cases: list[Document], field: str) -> list[Document]:
    """The biggest potential first."""
    by_value: dict[Any, list[Document]] = {}
    for case in cases:
        by_value.setdefault(case[field], []).append(case)
    groups = [
        {"value": value, "cases": len(members), **_savings(members)}
        for value, members in by_value.items()
    ]
    for group in groups if field == "customer_id" else ():
        group["customer_name"] = by_value[group["value"]][0]["customer_name"]
    return sorted(groups, key=lambda group: (-group["annual_potential_savings"], str(group)))


def _savings(cases: list[Document]) -> Document:
    """What's still to be had counts open cases only; what was realized comes from closed ones."""
    still_open = [case for case in cases if case["lifecycle"] == "Open"]
    return {
        "annual_potential_savings": _sum(still_open, "annual_potential_savings"),
        "realized_savings": _sum(cases, "realized_savings"),
    }


def _sum(cases: list[Document], field: str) -> float:
    total: float = sum(case[field] for case in cases)
    return round(total, 2)


def _filter_values(call: Call, cases: list[Document], filters: dict[str, str]) -> Response:
    name = call.path("filter_name")
    if name not in filters:
        raise not_found()
    limit = call.query_number("limit", 100, 1, 500)
    counts = Counter(case[name] for case in cases if case[name] is not None)
    found = [
        {"value": value, "count": count}
        for value, count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
        if contains(str(value), call.query("search"))
    ]
    return JSONResponse({"data": found[:limit], "total": len(found)})


def _query(call: Call, cases: list[Document]) -> Response:
    try:
        return JSONResponse(answer(call.body_with(QUERY_FIELDS), cases))
    except BadQuery as error:
        raise bad_request(str(error)) from None
