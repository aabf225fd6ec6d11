"""Which documents does an OpenSearch query find, and what do its aggregations add up to?

A subset, over flat documents: match_all, term, terms, range, match, exists, prefix, wildcard, bool;
sort, from, size, _source; aggregations terms, sum, avg, min, max, value_count, cardinality, nested.
Anything else, and a script anywhere, is a BadQuery. Every hit scores 1.
"""

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from operator import ge, gt, le, lt
from typing import Any

Document = dict[str, Any]
Predicate = Callable[[Document], bool]

INDEX = "cases"
_RANGE = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_RANGE_EXTRAS = ("format", "time_zone", "boost")


class BadQuery(Exception):
    """The text says what was wrong with the query."""


def answer(request: Document, documents: list[Document]) -> Document:
    """OpenSearch's answer to {"query", "size", "from", "sort", "_source", "aggs"}."""
    if _has_script(request):
        raise BadQuery("Scripts are not allowed")
    if "query" not in request:
        raise BadQuery("query is required")
    matches = compiled(request["query"])
    hits = [document for document in documents if matches(document)]
    ordered = _sorted(hits, request.get("sort") or [])
    start = _bounded(request, "from", default=0, maximum=9500)
    size = _bounded(request, "size", default=50, maximum=500)
    source = request.get("_source")
    found: Document = {
        "took": 1,
        "timed_out": False,
        "hits": {
            "total": {"value": len(hits), "relation": "eq"},
            "max_score": 1.0 if hits else None,
            "hits": [_hit(document, source) for document in ordered[start : start + size]],
        },
    }
    aggs = request.get("aggs")
    return found | ({"aggregations": aggregated(aggs, hits)} if aggs else {})


def compiled(query: Any) -> Predicate:
    """{"term": {"status": "To Do"}}  ->  a function of one document"""
    kind, body = _only_item(query, "A query")
    if kind not in _QUERIES:
        raise BadQuery(f"Unsupported query: {kind}")
    if not isinstance(body, dict):
        raise BadQuery(f"{kind} must be an object")
    return _QUERIES[kind](body)


def aggregated(aggs: Any, documents: list[Document]) -> Document:
    """{"by_service": {"terms": {"field": "service"}}}  ->  {"by_service": {"buckets": [...]}}"""
    if not isinstance(aggs, dict):
        raise BadQuery("aggs must be an object")
    return {name: _aggregation(name, spec, documents) for name, spec in aggs.items()}


def _value(document: Document, field: Any) -> Any:
    """The value at "service", "service.keyword" or "external_ticket.key"."""
    value: Any = document
    for part in str(field).removesuffix(".keyword").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _has_script(value: Any) -> bool:
    if isinstance(value, dict):
        return any("script" in str(key) or _has_script(inner) for key, inner in value.items())
    return isinstance(value, list) and any(_has_script(inner) for inner in value)


def _only_item(value: Any, what: str) -> tuple[str, Any]:
    if not isinstance(value, dict) or len(value) != 1:
        raise BadQuery(f"{what} must be an object with exactly one key")
    return next(iter(value.items()))


# Queries


def _match_all(body: Document) -> Predicate:
    return lambda document: True


def _term(body: Document) -> Predicate:
    field, given = _only_item(body, "term")
    wanted, folds = _option(given, "value"), _ignores_case(given)
    return lambda document: _same(_value(document, field), wanted, folds)


def _terms(body: Document) -> Predicate:
    field, wanted = _only_item({k: v for k, v in body.items() if k != "boost"}, "terms")
    if not isinstance(wanted, list):
        raise BadQuery("terms must have a list of values")
    return lambda document: any(_same(_value(document, field), value, False) for value in wanted)


def _range(body: Document) -> Predicate:
    field, bounds = _only_item(body, "range")
    if not isinstance(bounds, dict):
        raise BadQuery("range must have bounds")
    checked = {name: bound for name, bound in bounds.items() if name not in _RANGE_EXTRAS}
    for name, bound in checked.items():
        _check_bound(name, bound)
    return lambda document: all(
        _compares(_value(document, field), name, bound) for name, bound in checked.items()
    )


def _match(body: Document) -> Predicate:
    """Words in any order; `operator` "and" asks for all of them."""
    field, given = _only_item(body, "match")
    words = _words(_option(given, "query"))
    needs_all = isinstance(given, dict) and str(given.get("operator", "or")).lower() == "and"

    def matches(document: Document) -> bool:
        found = words & _words(_value(document, field))
        return found == words if needs_all else bool(found)

    return matches


def _exists(body: Document) -> Predicate:
    field = body.get("field")
    return lambda document: _value(document, field) is not None


def _prefix(body: Document) -> Predicate:
    field, given = _only_item(body, "prefix")
    return _pattern(field, f"{_escaped(_option(given, 'value'))}*", _ignores_case(given))


def _wildcard(body: Document) -> Predicate:
    field, given = _only_item(body, "wildcard")
    key = "wildcard" if isinstance(given, dict) and "wildcard" in given else "value"
    pattern = str(_option(given, key)).replace("[", "[[]")
    return _pattern(field, pattern, _ignores_case(given))


def _bool(body: Document) -> Predicate:
    """`should` needs one match, unless `must` or `filter` is there; or `minimum_should_match`."""
    extras = ("minimum_should_match", "boost")
    unknown = set(body) - {"must", "filter", "should", "must_not", *extras}
    if unknown:
        raise BadQuery(f"Unsupported in bool: {', '.join(sorted(unknown))}")
    needed = _clauses(body, "must") + _clauses(body, "filter")
    unwanted, should = _clauses(body, "must_not"), _clauses(body, "should")
    minimum = body.get("minimum_should_match", 1 if should and not needed else 0)
    if not isinstance(minimum, int):
        raise BadQuery("minimum_should_match must be a whole number")
    return lambda document: (
        all(clause(document) for clause in needed)
        and not any(clause(document) for clause in unwanted)
        and sum(clause(document) for clause in should) >= minimum
    )


_QUERIES: dict[str, Callable[[Document], Predicate]] = {
    "match_all": _match_all,
    "term": _term,
    "terms": _terms,
    "range": _range,
    "match": _match,
    "exists": _exists,
    "prefix": _prefix,
    "wildcard": _wildcard,
    "bool": _bool,
}


def _clauses(body: Document, name: str) -> list[Predicate]:
    given = body.get(name, [])
    return [compiled(clause) for clause in (given if isinstance(given, list) else [given])]


def _option(given: Any, key: str) -> Any:
    """A query's value, short ("x") or long ({"value": "x"})."""
    if not isinstance(given, dict):
        return given
    if key not in given:
        raise BadQuery(f"{key} is missing")
    return given[key]


def _ignores_case(given: Any) -> bool:
    return isinstance(given, dict) and bool(given.get("case_insensitive"))


def _same(value: Any, wanted: Any, folds: bool) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return str(value).lower() == str(wanted).lower()
    if isinstance(value, int | float):
        return str(float(value)) == _as_float_text(wanted)
    if folds:
        return str(value).lower() == str(wanted).lower()
    return bool(value == wanted)


def _as_float_text(wanted: Any) -> str:
    try:
        return str(float(wanted))
    except (TypeError, ValueError):
        return ""


def _check_bound(name: str, bound: Any) -> None:
    if name not in _RANGE:
        raise BadQuery(f"Unsupported in range: {name}")
    if isinstance(bound, str) and (bound.startswith("now") or "||" in bound):
        raise BadQuery("Date math is not supported; give dates as YYYY-MM-DD")
    if isinstance(bound, bool) or not isinstance(bound, int | float | str):
        raise BadQuery(f"{name} must be a number or a date")


def _compares(value: Any, name: str, bound: Any) -> bool:
    """Numbers as numbers, texts as texts; a day as a bound means the whole day."""
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        number = _as_float_text(bound)
        return bool(number) and bool(_RANGE[name](value, float(number)))
    text = str(bound)
    is_day = re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None
    return bool(_RANGE[name](str(value)[:10] if is_day else str(value), text))


def _words(value: Any) -> set[str]:
    return set(re.findall(r"\w+", str(value).lower())) if value is not None else set()


def _escaped(text: Any) -> str:
    return re.sub(r"([*?[])", r"[\1]", str(text))


def _pattern(field: str, pattern: str, folds: bool) -> Predicate:
    def matches(document: Document) -> bool:
        value = _value(document, field)
        if value is None:
            return False
        text = str(value)
        return fnmatchcase(text.lower(), pattern.lower()) if folds else fnmatchcase(text, pattern)

    return matches


# Hits


def _hit(document: Document, source: Any) -> Document:
    wanted = document if source is None else _picked(document, source)
    return {"_index": INDEX, "_id": document["case_id"], "_score": 1.0, "_source": wanted}


def _picked(document: Document, source: Any) -> Document:
    if not isinstance(source, list):
        raise BadQuery("_source must be a list of fields")
    return {
        field: value
        for field, value in document.items()
        if any(fnmatchcase(field, str(pattern)) for pattern in source)
    }


def _sorted(documents: list[Document], sort: Any) -> list[Document]:
    """Without `sort` the order is that of the index; documents without the field come last."""
    if not isinstance(sort, list) or len(sort) > 5:
        raise BadQuery("sort must be a list of at most 5 clauses")
    ordered = list(documents)
    for field, descending in reversed([_sort_clause(clause) for clause in sort]):
        if field == "_score":
            continue
        present = [d for d in ordered if _value(d, field) is not None]
        absent = [d for d in ordered if _value(d, field) is None]
        present.sort(key=lambda d, field=field: _value(d, field), reverse=descending)  # type: ignore[misc]
        ordered = present + absent
    return ordered


def _sort_clause(clause: Any) -> tuple[str, bool]:
    """ "cost_impact", {"cost_impact": "desc"} or {"cost_impact": {"order": "desc"}}"""
    if isinstance(clause, str):
        return clause, False
    field, how = _only_item(clause, "A sort clause")
    order = how.get("order", "asc") if isinstance(how, dict) else how
    if order not in ("asc", "desc"):
        raise BadQuery("A sort order is asc or desc")
    return field, order == "desc"


def _bounded(request: Document, name: str, *, default: int, maximum: int) -> int:
    value = request.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= maximum:
        raise BadQuery(f"{name} must be a whole number from 0 to {maximum}")
    return value


# Aggregations


def _aggregation(name: str, spec: Any, documents: list[Document]) -> Document:
    if not isinstance(spec, dict):
        raise BadQuery(f"Aggregation {name} must be an object")
    nested = spec.get("aggs") or spec.get("aggregations") or {}
    own = {key: value for key, value in spec.items() if key not in ("aggs", "aggregations", "meta")}
    kind, body = _only_item(own, f"Aggregation {name}")
    if not isinstance(body, dict) or not isinstance(body.get("field"), str):
        raise BadQuery(f"Aggregation {name} must name a field")
    if kind == "terms":
        return _terms_aggregation(body, nested, documents)
    if kind not in _METRICS:
        raise BadQuery(f"Unsupported aggregation: {kind}")
    present = [v for d in documents if (v := _value(d, body["field"])) is not None]
    return {"value": _METRICS[kind](_numbers(present, kind))}


def _numbers(values: list[Any], kind: str) -> list[Any]:
    if kind in ("value_count", "cardinality"):
        return values
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        raise BadQuery(f"{kind} needs a field of numbers")
    return values


_METRICS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "sum": lambda values: round(float(sum(values)), 2),
    "avg": lambda values: round(sum(values) / len(values), 4) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "value_count": len,
    "cardinality": lambda values: len(set(values)),
}


def _terms_aggregation(body: Document, nested: Any, documents: list[Document]) -> Document:
    members: dict[Any, list[Document]] = {}
    for document in documents:
        value = _value(document, body["field"])
        if value is not None:
            members.setdefault(value, []).append(document)
    buckets = [
        {**_bucket_key(key), "doc_count": len(inside), **aggregated(nested, inside)}
        for key, inside in members.items()
    ]
    size = _bounded(body, "size", default=10, maximum=500)
    ordered = _ordered_buckets(buckets, body.get("order", {"_count": "desc"}))
    left_out = sum(bucket["doc_count"] for bucket in ordered[size:])
    return {
        "doc_count_error_upper_bound": 0,
        "sum_other_doc_count": left_out,
        "buckets": ordered[:size],
    }


def _bucket_key(key: Any) -> Document:
    if isinstance(key, bool):
        return {"key": int(key), "key_as_string": str(key).lower()}
    return {"key": key}


def _ordered_buckets(buckets: list[Document], order: Any) -> list[Document]:
    """By "_count", "_key" or the name of a nested metric; ties by key."""
    by, direction = _sort_clause(order)
    names = {"_count": "doc_count", "_key": "key"}
    field = names.get(by, by.removesuffix(".value"))
    if any(field not in bucket for bucket in buckets):
        raise BadQuery(f"Can't order buckets by {by}")
    ordered = sorted(buckets, key=lambda bucket: str(bucket["key"]))
    return sorted(ordered, key=lambda bucket: _rank(bucket[field]), reverse=direction)


def _rank(value: Any) -> Any:
    return value["value"] or 0 if isinstance(value, dict) else value
