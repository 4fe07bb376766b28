"""Stacks of a Spack environment with the real Spack: two versions, two MPI, two targets, a compiler that is built."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import stack_recipes
from spack_lab import Lab, fail, made_at, run, write_compiler

#: Two versions for all, and a program with each of two MPI.
SPECS = ["stack-lib@1.2.13", "stack-lib@1.3.1", "stack-app~mpi"]
STACKS: list[dict[str, Any]] = [
    {"name": "one", "mpi": "stack-one@1.2", "packages": ["stack-app"]},
    {"name": "two", "mpi": "stack-two", "packages": ["stack-app ^stack-lib@1.2.13"]},
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    for lab in made_at(tmp_path_factory.mktemp("stacks")):
        write_compiler(lab)
        repository = stack_recipes.write(lab.root / "spack_repo" / stack_recipes.NAMESPACE)
        settings = lab.site / "repos.yaml"
        repositories = json.loads(settings.read_text())["repos:"]
        settings.write_text(json.dumps({"repos:": {stack_recipes.NAMESPACE: str(repository), **repositories}}))
        yield lab


def programs(made: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """What each program of the environment says, and which stacks asked for it."""
    found = {}
    for package in made["environment"]["packages"]:
        if package["name"] in ("stack-app", "stack-lib"):
            program = f"{package['prefix']}/bin/{package['name']}"
            said = subprocess.run([program], check=True, capture_output=True, text=True).stdout.strip()
            found[f"{package['name']} {said}"] = tuple(package["stacks"])
    return found


def test_two_versions_and_two_mpi(lab: Lab) -> None:
    given = lab.arguments("two", *SPECS, stacks=STACKS)
    planned = run(check=True, **given)
    assert planned["changed"]
    assert not lab.environment("two").exists()
    made = run(**given)
    assert made["environment"]["finished"]
    assert programs(made) == {
        "stack-lib 1.2.13 x86_64": ("",),
        "stack-lib 1.3.1 x86_64": ("",),
        "stack-app none 1.3.1 x86_64": ("",),
        "stack-app stack-one 1.3.1 x86_64": ("one",),
        "stack-app stack-two 1.2.13 x86_64": ("two",),
    }
    hashes = {item["hash"] for item in made["environment"]["packages"]}
    assert {item["hash"] for item in planned["environment"]["packages"]} == hashes
    # The MPI of a stack is asked for, too.
    asked = {
        item["name"]: item for item in made["environment"]["packages"] if item["name"] in ("stack-one", "stack-two")
    }
    assert [asked[name]["version"] for name in sorted(asked)] == ["1.2.13", "1.3.1"]
    assert all(item["explicit"] for item in asked.values())

    calls = lab.calls()
    assert not run(**given)["changed"]
    assert not run(check=True, **given)["changed"]
    assert lab.calls() == calls, "Spack need not be asked"

    # Another MPI is another solution; what is the same stays.
    other = run(check=True, **{**given, "stacks": [STACKS[0], {**STACKS[1], "mpi": "stack-two@1.2.13"}]})
    assert other["changed"]
    news = [item["name"] for item in other["environment"]["packages"] if item["hash"] not in hashes]
    assert sorted(news) == ["stack-app", "stack-two"]


def test_a_stack_does_not_depend_on_what_else_is_wanted(lab: Lab) -> None:
    """Nor on what lies in the store: the program of the first test has no MPI, which Spack would take."""
    alone = run(check=True, **lab.arguments("alone", stacks=STACKS[:1]))
    beside = run(check=True, **lab.arguments("beside", "stack-app~mpi", stacks=STACKS[:1]))
    for made in (alone, beside):
        (app,) = [
            item for item in made["environment"]["packages"] if item["stacks"] == ["one"] and "app" in item["name"]
        ]
        assert "+mpi" in app["variants"]


def test_a_target_and_a_compiler_that_is_built(lab: Lab) -> None:
    stacks = [
        {"name": "v3", "target": "x86_64_v3", "packages": ["stack-app~mpi"]},
        {"name": "new", "compiler": "gcc@99", "mpi": "stack-one", "packages": ["stack-app"]},
    ]
    made = run(**lab.arguments("targets", "stack-app~mpi", stacks=stacks))
    assert programs(made) == {
        "stack-lib 1.3.1 x86_64": (),
        "stack-lib 1.3.1 x86_64_v3": (),
        "stack-app none 1.3.1 x86_64": ("",),
        "stack-app none 1.3.1 x86_64_v3": ("v3",),
        "stack-app stack-one 1.3.1 x86_64": ("new",),
    }
    by_hash = {item["hash"]: item for item in made["environment"]["packages"]}
    compilers = {}
    for item in by_hash.values():
        if item["name"] == "stack-app":
            used = [by_hash[key] for key in item["build_dependencies"] if by_hash.get(key, {}).get("name") == "gcc"]
            compilers[item["stacks"][0]] = [one["version"].partition(".")[0] for one in used]
    assert compilers["new"] == ["99"]
    assert compilers[""] == compilers["v3"] != ["99"]


@pytest.mark.parametrize(
    ("stacks", "says"),
    [
        (
            [{"name": "one", "mpi": "stack-one", "packages": ["stack-app ^stack-two"]}],
            "Spack refuses the specs of the environment bad (stack one), nothing was built: ",
        ),
        ([{"name": "one", "mpi": "stack-lib"}], "The stack one names stack-lib as its MPI, and no recipe of that name"),
        (
            [{"name": "one", "compiler": "gcc@9", "packages": ["stack-lib"]}],
            "which is older than the compilers of this host",
        ),
        ([{"name": "one"}], "stacks[0]: there is nothing to install: name packages, or mpi"),
    ],
)
def test_what_cannot_be(lab: Lab, stacks: list[dict[str, Any]], says: str) -> None:
    found = fail(**lab.arguments("bad", stacks=stacks))
    assert says in found["msg"]
    assert not (lab.environment("bad") / "spack.lock").exists()
