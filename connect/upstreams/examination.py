"""Which checks there are, in which order, and which need another one first."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from connect.upstreams import propelauth, wiv
from connect.upstreams.record import Found, Record
from oauth_bridge.secret import Secret

# Says what was seen to be well. Raises Found.
Check = Callable[[Record], str]


@dataclass(frozen=True, slots=True)
class Credential:
    """`name` is the environment variable it comes from, "" for one that wasn't named."""

    name: str
    value: Secret


def examine(token: Credential, key: Credential) -> Record:
    record = Record()
    examine_sign_in(token, record)
    run("PropelAuth's backend API", propelauth.check_backend, record)
    run("Wiv's address", wiv.check_address, record)
    run_with(key, "Wiv's answer to a key", partial(wiv.check_key, key.value), record)
    return record


def examine_sign_in(token: Credential, record: Record) -> None:
    if not run("PropelAuth's metadata", propelauth.check_metadata, record):
        for name in ("callback", "OAuth client", "introspection", "word on a token"):
            record.skipped[f"PropelAuth's {name}"] = "its metadata isn't there"
        return
    run("PropelAuth's callback", propelauth.check_callback, record)
    run("PropelAuth's OAuth client", propelauth.check_client, record)
    if run("PropelAuth's introspection", propelauth.check_introspection, record):
        check_token = partial(propelauth.check_token, token.value)
        run_with(token, "PropelAuth's word on a token", check_token, record)
    else:
        record.skipped["PropelAuth's word on a token"] = "introspection wasn't proved"


def run_with(credential: Credential, name: str, check: Check, record: Record) -> None:
    if credential.value:
        run(name, check, record)
    else:
        record.skipped[name] = f"{credential.name or '--token-from-env'} isn't set"


def run(name: str, check: Check, record: Record) -> bool:
    """Whether it came to an end by itself, perhaps with a warning."""
    try:
        record.passed[name] = check(record)
    except Found as found:
        record.findings.append(found.finding)
        return False
    return True
