# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided about a Spack environment."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack import plan
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import (
    EnvironmentRequest,
    Node,
    Package,
    Place,
    Probe,
    SpackError,
    Stack,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.plan import (
    GIB,
    Brought,
    brought,
    closed_packages,
    compiler_apart,
    concurrency,
    digest,
    jobs,
    listing,
    mirrors,
    of_system,
    own_compilers,
    packages,
    source_order,
    split_compiler,
    tools,
    with_compiler,
    with_compiler_built,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import read_output

LANGUAGES = ("c", "cxx", "fortran")
NEW = Probe((1, 2, 0), languages=LANGUAGES)


def environment(wanted: EnvironmentRequest, probe: Probe = NEW) -> dict[str, Any]:
    return plan.environment(wanted, probe)


@pytest.mark.parametrize(
    ("cores", "memory", "wanted", "expected"),
    [
        (2, 24, 0, 8),
        (2, 8, 0, 4),
        (64, 256, 0, 128),
        (64, 128, 0, 64),
        (1, 1, 0, 1),
        (2, 4, 16, 16),
    ],
)
def test_jobs(cores: int, memory: int, wanted: int, expected: int) -> None:
    assert jobs(cores, memory * GIB, wanted) == expected


def test_the_digest() -> None:
    wanted = EnvironmentRequest("x", ("a", "b"))
    one, two = Stack("one", ("a",)), Stack("two", ("a",))
    mine = digest(wanted, {"root": "1"})
    assert mine == digest(EnvironmentRequest("y", ("b", "a")), {"root": "1"})
    others = [
        digest(EnvironmentRequest("x", ("a",)), {"root": "1"}),
        digest(EnvironmentRequest("x", ("a", "b"), compiler="gcc@12"), {"root": "1"}),
        digest(EnvironmentRequest("x", ("a", "b"), from_source=("a",)), {"root": "1"}),
        digest(wanted, {"root": "2"}),
        digest(replace(wanted, stacks=(one,)), {"root": "1"}),
        digest(replace(wanted, stacks=(one, two)), {"root": "1"}),
        # Whose build of a package is the first.
        digest(replace(wanted, stacks=(two, one)), {"root": "1"}),
        digest(replace(wanted, stacks=(replace(one, mpi="mpich"),)), {"root": "1"}),
    ]
    assert len({mine, *others}) == 9


def test_no_compiler_is_left_to_the_configuration() -> None:
    found = environment(EnvironmentRequest("x", ("zlib",)))
    assert found == {
        "view": False,
        "concretizer": {"unify": True},
        "config": {"deprecated": True},
        "specs": ["zlib"],
    }


def test_a_compiler_of_the_host_is_required() -> None:
    found = environment(EnvironmentRequest("x", ("zlib",), "gcc@12.2.0", "x86_64_v3"))
    assert found["specs"] == ["zlib"]
    assert found["packages"] == {
        "all": {"require": ["target=x86_64_v3"]},
        **{f"{language}:": {"require": ["gcc@12.2.0"]} for language in LANGUAGES},
    }


def test_a_spec_may_have_another_compiler() -> None:
    found = environment(EnvironmentRequest("x", ("zlib", "hdf5 %llvm@17", "bzip2 %c=gcc@12.2.0"), "gcc@12.2.0"))
    assert found["packages"]["c:"] == {"require": [{"any_of": ["gcc@12.2.0", "llvm@17"]}]}


def test_a_compiler_to_build_comes_first() -> None:
    probe = Probe((1, 2, 0), external=False, languages=("c", "cxx"), compiled=("hdf5 ^openmpi", "zlib %llvm@17"))
    wanted = EnvironmentRequest("x", ("hdf5 ^openmpi", "gcc@13.3.0 +binutils", "nextflow", "zlib %llvm@17"), "gcc@13")
    found = environment(wanted, probe)
    assert "packages" not in found
    compiler, software = found["specs"]
    assert compiler == {"group": "compiler", "specs": ["gcc@13.3.0 +binutils"]}
    # What is not compiled gets no compiler, and what has its own keeps it.
    assert software["specs"] == ["hdf5 %gcc@13 ^openmpi", "nextflow", "zlib %llvm@17"]
    assert software["needs"] == ["compiler"]
    assert software["override"]["packages"] == {"c:": {"prefer": ["gcc@13"]}, "cxx:": {"prefer": ["gcc@13"]}}


def test_a_compiler_that_no_spec_names_is_built_too() -> None:
    probe = Probe((1, 2, 0), external=False, languages=LANGUAGES)
    assert environment(EnvironmentRequest("x", ("gcc@12",), "gcc@13"), probe)["specs"][0]["specs"] == ["gcc@13"]
    only = environment(EnvironmentRequest("x", ("gcc@13.3.0",), "gcc@13"), probe)["specs"]
    assert only == [{"group": "compiler", "specs": ["gcc@13.3.0"]}]


def test_a_compiler_that_is_built_apart() -> None:
    older = Probe((1, 2, 0), external=False, older=True, languages=("c",))
    stacks = (Stack("mpi", ("hdf5",)),)
    wanted = EnvironmentRequest("x", ("tree", "gcc@11.3.0"), "gcc@11.3.0", "x86_64_v3", ("tree",), stacks=stacks)
    apart = compiler_apart(wanted, older)
    assert apart == EnvironmentRequest("x-compiler", ("gcc@11.3.0",), None, "x86_64_v3", ("tree",))
    assert apart is not None
    for one in (apart, wanted):
        assert EnvironmentRequest.from_dict(json.loads(json.dumps(asdict(one)))) == one
    gcc = Package("gcc", "11.3.0", "h" * 32, "/opt/gcc", "source", 1.0, "gcc@11.3.0", True)
    built, probe = with_compiler_built(wanted, older, gcc)
    found = environment(built, probe)
    assert found["specs"] == ["tree"]
    assert found["packages"]["c:"] == {"require": ["gcc@11.3.0"]}
    (external,) = found["packages"]["gcc"]["externals"]
    assert external["prefix"] == "/opt/gcc"
    # What it was built without, it does not have.
    assert external["spec"] == "gcc@11.3.0 languages='c'"
    assert external["extra_attributes"]["compilers"] == {"c": "/opt/gcc/bin/gcc"}
    _built, probe = with_compiler_built(wanted, replace(older, languages=LANGUAGES), gcc)
    (text,) = probe.built
    assert json.loads(text)["spec"] == "gcc@11.3.0 languages='c,c++,fortran'"
    assert json.loads(text)["extra_attributes"]["compilers"]["fortran"] == "/opt/gcc/bin/gfortran"


def test_when_a_compiler_is_built_apart() -> None:
    wanted = EnvironmentRequest("x", ("tree",), "gcc@13")
    assert compiler_apart(wanted, Probe((1, 2, 0), external=False)) is None
    assert compiler_apart(wanted, Probe((1, 2, 0), external=True)) is None
    assert compiler_apart(EnvironmentRequest("x", ("tree",)), Probe((1, 1, 0), external=False)) is None
    assert compiler_apart(wanted, Probe((1, 1, 0), external=False)) is not None
    with pytest.raises(SpackError, match="would have to be built before the rest"):
        compiler_apart(EnvironmentRequest("x", ("tree",), "llvm@17"), Probe((1, 1, 0), external=False))


@pytest.mark.parametrize(
    ("number", "version", "expected"),
    [
        (8, (1, 2, 0), ["-j8"]),
        (8, (1, 1, 0), ["-p4", "-j2"]),
        (1, (1, 1, 0), ["-p1", "-j1"]),
        (8, (0, 23, 1), ["-j8"]),
    ],
)
def test_concurrency(number: int, version: tuple[int, ...], expected: list[str]) -> None:
    assert concurrency(number, version) == expected


@pytest.mark.parametrize(
    ("version", "expected"), [((1, 2), ["-p1", "-j8"]), ((1, 1), ["-p1", "-j8"]), ((1, 0), ["-j8"])]
)
def test_one_package_at_a_time(version: tuple[int, ...], expected: list[str]) -> None:
    assert concurrency(8, version, parallel=False) == expected


def test_specs_and_compilers() -> None:
    assert split_compiler(EnvironmentRequest("x", ("a", "gcc@11.3"), "gcc@11.3.0")) == (["gcc@11.3"], ["a"])
    assert own_compilers("a %c=gcc@12 ^b %llvm ^c %cmake") == ["gcc@12", "llvm"]
    assert with_compiler("hdf5@1.14 +mpi ^openmpi@5", "gcc@13 +binutils") == "hdf5@1.14+mpi %gcc@13 ^openmpi@5"


def test_scopes() -> None:
    assert json.loads(closed_packages(Probe((1, 2), closed=("x",)))) == {"packages": {"x": {"buildable": False}}}
    assert json.loads(mirrors({"m": {"url": "u"}})) == {"mirrors:": {"m": {"url": "u"}}}


A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
NODES = {
    A: Node("app", "1", A, root="app@1", dependencies={B: frozenset({"link"}), C: frozenset({"build"})}),
    B: Node("lib", "2", B, dependencies={D: frozenset({"build"})}),
    C: Node("tool", "3", C),
    D: Node("make", "4", D, external="/usr"),
}


def test_where_packages_come_from() -> None:
    places = {
        A: Place("/p/a", False, cached=True),
        B: Place("/p/b", True),
        C: Place("/p/c", False),
        D: Place("/usr", False),
    }
    found = packages(NODES, places, {B: Brought("source", 3.0, 100.0, 103.5)})
    # The tool only builds what a cache has.
    assert [(item.name, item.origin, item.seconds, item.explicit) for item in found] == [
        ("make", "external", None, False),
        ("lib", "source", 3.0, False),
        ("app", "cache", None, True),
    ]
    assert listing(found) == "lib@2 /bbbbbbb\napp@1 /aaaaaaa\n"
    # Nor does the package need it later.
    app = next(item for item in found if item.name == "app")
    assert (app.dependencies, app.build_dependencies, app.started) == ((B,), (C,), None)
    assert [(item.started, item.ended) for item in found if item.name == "lib"] == [(100.0, 103.5)]
    nothing = {key: Place(f"/p/{key}", False) for key in NODES}
    assert [(item.name, item.origin) for item in packages(NODES, nothing, {}) if item.origin != "external"] == [
        ("lib", "source"),
        ("tool", "source"),
        ("app", "source"),
    ]
    there = packages(NODES, {**nothing, A: Place("/p/a", True), B: Place("/p/b", True)}, {})
    assert [item.origin for item in there] == ["external", "installed", "installed"]


def test_what_only_built_others_is_a_tool() -> None:
    places = {key: Place(f"/p/{key}", key in (A, B)) for key in NODES}
    history = {key: Brought("source", 3.0, 100.0, 103.5) for key in (B, C, D)}
    (tool,) = tools(NODES, places, history)
    assert (tool.name, tool.origin, tool.seconds, tool.started, tool.ended) == ("tool", "source", 3.0, 100.0, 103.5)


def test_what_the_system_has_of_what_was_asked_for() -> None:
    asked = {
        "a": Node("cmake", "3.25.1", "a", external="/usr", root="cmake"),
        "b": Node("openmpi", "4.1.4", "b", external="/opt/openmpi", root="openmpi"),
        "c": Node("perl", "5.36", "c", external="/usr"),
        "d": Node("zlib", "1.3", "d", root="zlib"),
    }
    assert of_system(asked) == ["cmake@3.25.1"]


def test_what_a_session_brought() -> None:
    lines = ["[e] ddddddd make@4 /usr (0s)", "[ ] aaaaaaa app@1 staging (0s)", "[+] aaaaaaa app@1 /p/a (3s)"]
    lines += ["[ ] bbbbbbb lib@2 build (1s)"]
    assert brought(read_output(lines), NODES) == {A: Brought("source", 3.0)}
    assert brought(read_output(lines, (7.0, 8.0, 11.5)), NODES) == {A: Brought("source", 3.0, 8.0, 11.5)}


def test_the_order_of_what_is_never_taken_from_a_cache() -> None:
    assert source_order(NODES, ("app@1 +x", "lib", "make"), [A, B, C, D]) == [f"lib/{B}", f"app/{A}"]
    assert source_order(NODES, ("app",), [B]) == []


def test_wanted_from_options() -> None:
    given = {
        "name": "x",
        "specs": ["hdf5 +mpi  api=v18"],
        "build_from_source": ["a"],
        "compiler": "gcc @12",
        "target": "",
        "deprecated": False,
    }
    assert EnvironmentRequest.checked(given) == EnvironmentRequest(
        "x", ("hdf5+mpi api=v18", "a"), "gcc@12", None, ("a",), False
    )
    both = EnvironmentRequest.checked({**given, "build_from_source": ["hdf5 api=v18 +mpi"]})
    assert (both.specs, both.from_source) == (("hdf5+mpi api=v18",), ("hdf5+mpi api=v18",))
    with pytest.raises(SpackError, match=r"name '\.\./x' is not allowed"):
        EnvironmentRequest.checked({**given, "name": "../x"})
