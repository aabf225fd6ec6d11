"""What was found, what is well, and what was left out and why."""

from dataclasses import dataclass, field

from connect.upstreams.problems import Problem, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """`seen` is our own words, statuses, and names of a fixed vocabulary: never an answer's text,
    which may repeat the secret it was asked with."""

    problem: Problem
    seen: str


class Found(Exception):
    """Ends a check."""

    def __init__(self, problem: Problem, seen: str) -> None:
        super().__init__(seen)
        self.finding = Finding(problem, seen)


@dataclass(slots=True)
class Record:
    """`passed` and `skipped` are what was looked at, and what was seen or why not."""

    findings: list[Finding] = field(default_factory=list)
    passed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The exit status: 1 when something fails, 2 when that couldn't be found out."""
        found = {finding.problem.severity for finding in self.findings}
        if Severity.FAILS in found:
            return 1
        return 2 if Severity.UNKNOWN in found else 0

    def number_of(self, severity: Severity) -> int:
        return sum(finding.problem.severity is severity for finding in self.findings)
