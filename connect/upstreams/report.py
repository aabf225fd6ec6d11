"""How is a record told? To people in lines, to programs as JSON."""

import json

from connect.upstreams.problems import Severity
from connect.upstreams.record import Finding, Record

SHOWN = {Severity.WARNS: "WARNS", Severity.UNKNOWN: "UNKNOWN", Severity.FAILS: "FAILS"}


def as_text(record: Record) -> str:
    lines = [f"ok       {name}: {seen}" for name, seen in record.passed.items()]
    for finding in record.findings:
        problem = finding.problem
        lines.append(f"{SHOWN[problem.severity]:<7}  {problem.id}  {problem.title}")
        lines += [f"           seen  {finding.seen}", f"           do    {problem.remedy}"]
    lines += [f"skipped  {name}: {reason}" for name, reason in record.skipped.items()]
    return "\n".join([*lines, summary(record)])


def summary(record: Record) -> str:
    numbers = [f"{record.number_of(each)} {each}" for each in reversed(Severity)]
    return f"{len(record.passed)} ok, {', '.join(numbers)}, {len(record.skipped)} skipped."


def as_json(record: Record) -> str:
    document = {
        "status": record.status,
        "summary": summary(record),
        "findings": [finding_object(finding) for finding in record.findings],
        "passed": record.passed,
        "skipped": record.skipped,
    }
    return json.dumps(document, indent=2)


def finding_object(finding: Finding) -> dict[str, str]:
    problem = finding.problem
    return {
        "id": problem.id,
        "severity": problem.severity,
        "title": problem.title,
        "remedy": problem.remedy,
        "seen": finding.seen,
    }
