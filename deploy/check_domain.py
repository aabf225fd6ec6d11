"""Is a custom domain a CNAME to the service? `python -m deploy.check_domain DOMAIN TARGET`

An A record, and an alias (which looks like one from outside), is refused: AWS renews the domain's
certificate only while the CNAME is there, and the addresses behind TARGET change without notice.

Exit status: 0 it is, 1 it isn't, 2 it couldn't be found out.
"""

import argparse
import sys

import dns.exception
import dns.resolver

# Seconds for all attempts of one question.
PATIENCE = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy.check_domain", description=__doc__)
    parser.add_argument("domain", help="the host of PUBLIC_URL")
    parser.add_argument("target", help="the service's own host: the output Domain of its stack")
    parser.add_argument("--nameserver", help="ADDRESS or ADDRESS:PORT; this machine's if left out")
    options = parser.parse_args()
    try:
        problem = find_problem(options.domain, options.target, resolver(options.nameserver))
    except dns.exception.DNSException as error:
        print(f"{options.domain}: couldn't be looked up: {error}", file=sys.stderr)
        return 2
    if problem:
        print(f"{options.domain} {problem}", file=sys.stderr)
        return 1
    print(f"{options.domain} is a CNAME to {options.target}")
    return 0


def find_problem(domain: str, target: str, resolver: dns.resolver.Resolver) -> str | None:
    """What is wrong and what to do. Raises DNSException when nobody answers."""
    try:
        [record] = resolver.resolve(domain, "CNAME", search=False)
    except dns.resolver.NXDOMAIN:
        return f"doesn't exist: add a CNAME to {target}"
    except dns.resolver.NoAnswer:
        return without_cname(domain, target, resolver)
    if same_host(record.target.to_text(), target):
        return None
    return f"is a CNAME to {record.target.to_text(omit_final_dot=True)}: make it one to {target}"


def without_cname(domain: str, target: str, resolver: dns.resolver.Resolver) -> str:
    found = [kind for kind in ("A", "AAAA") if has_records(domain, kind, resolver)]
    remedy = f"make it a CNAME to {target}"
    if not found:
        return f"has neither CNAME nor address: {remedy}"
    return (
        f"has {' and '.join(found)} records or is an alias: {remedy}. "
        "A zone's own name can't be one; use a name below it, such as mcp."
    )


def has_records(domain: str, kind: str, resolver: dns.resolver.Resolver) -> bool:
    return bool(resolver.resolve(domain, kind, search=False, raise_on_no_answer=False).rrset)


def same_host(one: str, other: str) -> bool:
    return one.rstrip(".").lower() == other.rstrip(".").lower()


def resolver(nameserver: str | None) -> dns.resolver.Resolver:
    made = dns.resolver.Resolver(configure=nameserver is None)
    made.lifetime = PATIENCE
    if nameserver:
        address, _, port = nameserver.partition(":")
        made.nameservers = [address]
        made.port = int(port or 53)
    return made


if __name__ == "__main__":
    sys.exit(main())
