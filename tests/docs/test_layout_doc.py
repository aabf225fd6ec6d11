"""The picture in CONTRIBUTING.md against import-linter's contracts, imports and folders."""

import re
import tomllib
from itertools import combinations
from typing import Any

import pytest

from tests.docs.markdown import ROOT, read

LINTER: dict[str, Any] = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]
CONTRACTS: list[dict[str, Any]] = LINTER["contracts"]
NOT_CODE = {"docs", "plugins"}


def picture() -> str:
    [found] = re.findall(
        r"^```mermaid\n(.*?)^```", read("CONTRIBUTING.md"), re.MULTILINE | re.DOTALL
    )
    return str(found)


# a["words"] -- "words" --> b["words"]
NODE = r"(\w+)(?:\[[^\]]*\])?"
ARROW = re.compile(rf"^ *{NODE} (?:-- \"[^\"]*\" )?--> {NODE}$", re.MULTILINE)


def arrows() -> set[tuple[str, str]]:
    found = set(ARROW.findall(picture()))
    assert len(found) == picture().count("-->"), "an arrow is written in another way"
    return found


def product() -> set[str]:
    [layers] = [contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"]
    return set(layers)


def test_the_arrows_between_the_apps_are_those_of_the_layers():
    [layers] = [contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"]
    drawn = {(above, below) for above, below in arrows() if {above, below} <= product()}
    assert drawn == set(combinations(layers, 2))


@pytest.mark.parametrize(
    "contract",
    [contract for contract in CONTRACTS if contract["type"] == "forbidden"],
    ids=lambda contract: contract["name"],
)
def test_no_arrow_is_drawn_that_a_contract_forbids(contract):
    """Except the one that says what alone it is good for."""
    exceptions = {tuple(each.split(" -> ")) for each in contract.get("ignore_imports", [])}
    forbidden = {(a, b) for a in contract["source_modules"] for b in contract["forbidden_modules"]}
    allowed = {(a.split(".")[0], b.split(".")[0]) for a, b in exceptions}
    assert not arrows() & (forbidden - allowed)
    assert all(f'-- "{module} only" -->' in picture() for _, module in exceptions)


def test_each_protocol_library_has_one_arrow_to_it():
    owners = {b: a for a, b in arrows() if b in ("mcp", "oauth2_provider")}
    assert owners == {"mcp": "mcp_gateway", "oauth2_provider": "oauth_bridge"}
    for library, owner in owners.items():
        [contract] = [c for c in CONTRACTS if library in c.get("forbidden_modules", [])]
        assert set(contract["source_modules"]) == product() - {owner}


def test_every_folder_of_the_tree_is_in_the_layout():
    [layout] = re.findall(
        r"^## Layout$(.*?)^## ", read("CONTRIBUTING.md"), re.MULTILINE | re.DOTALL
    )
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    folders |= {"script", "templates"} | NOT_CODE
    assert {name for name in folders if not re.search(rf"\b{name}\b", layout)} == set()


@pytest.mark.parametrize("folder", ["sandbox", "deploy", "script", "benchmarks", "tests"])
def test_what_a_folder_beside_the_product_imports_is_drawn(folder):
    ours = {*product(), "sandbox", "tests", "benchmarks", "deploy"} - {folder}
    pattern = re.compile(rf"^ *(?:from|import) ({'|'.join(sorted(ours))})\b", re.MULTILINE)
    imported = {
        name
        for path in (ROOT / folder).rglob("*.py")
        for name in pattern.findall(path.read_text(encoding="utf-8"))
    }
    drawn = {below for above, below in arrows() if above == folder}
    if "image" in drawn:
        drawn = drawn - {"image"} | product()
        imported |= product()
    assert imported == drawn
