"""The long form, for script/chaos: `python -m tests.chaos chaos|soak MINUTES`.

Prints a table, and ends with status 1 when a promise was broken.
"""

import sys
import tempfile
from pathlib import Path

import django


def main(what: str, minutes: float) -> int:
    django.setup()  # before anything that imports models
    log = Path(tempfile.mkdtemp(prefix="wivmcp-chaos-")) / "server.log"
    print(f"The servers' log is {log}", flush=True)  # noqa: T201
    return soak(log, minutes) if what == "soak" else chaos(log, minutes)


def chaos(log: Path, minutes: float) -> int:
    from tests.chaos.trouble import Result, broken_promises, long_run, table

    results: list[Result] = []
    for kind in ("api_key", "opaque"):
        for result in long_run(log, kind, minutes * 60):
            results.append(result)
            tell(table([result]).splitlines()[-1])
    tell("", table(results), "")
    broken = [promise for result in results for promise in broken_promises(result)]
    tell(*(f"BROKEN: {promise}" for promise in broken))
    return 1 if broken else 0


def soak(log: Path, minutes: float) -> int:
    from tests.chaos.soak import soak

    verdict = soak(log, minutes)
    tell("| quarter | MiB resident | file descriptors |", "| --- | --- | --- |")
    tell(*(f"| {n} | {verdict.memory(n):.1f} | {verdict.files(n):.0f} |" for n in range(1, 5)))
    tell(f"{verdict.calls} calls, {verdict.failed} failed, {verdict.sign_ins} sign-ins")
    tell("flat" if verdict.is_flat else "NOT FLAT")
    return 0 if verdict.is_flat and not verdict.failed else 1


def tell(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
