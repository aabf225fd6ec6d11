"""Do the packages that are served have known vulnerabilities? Exits with 1 when one has.

Where the service that knows can't be asked, it says so loudly and exits with 0: a network without
it is no flaw of the change at hand.
"""

import json
import subprocess
import sys
from typing import Any

from environments import ROOT, SERVED, last_line

# What a network without it looks like, in pip-audit's traceback.
UNREACHABLE = ("ConnectionError", "Timeout", "ServiceError", "SSLError")


def main() -> int:
    options = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *options, "-r", SERVED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        return report_failure(done.stderr)
    packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return report(packages)


def report_failure(stderr: str) -> int:
    if any(word in stderr for word in UNREACHABLE):
        return not_run("the service is unreachable")
    print(f"pip-audit failed: {last_line(stderr)}", file=sys.stderr)
    return 1


def report(packages: list[dict[str, Any]]) -> int:
    known = [package for package in packages if "vulns" in package]
    found = [(package, vulnerability) for package in known for vulnerability in package["vulns"]]
    for package, vulnerability in found:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    if len(known) < len(packages):
        not_run(f"for {len(packages) - len(known)} of {len(packages)} packages the service is mute")
    else:
        print(f"{len(known)} packages, {len(found)} known vulnerabilities")
    return 1 if found else 0


def not_run(why: str) -> int:
    print(f"!!! NOT RUN: pip-audit: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
