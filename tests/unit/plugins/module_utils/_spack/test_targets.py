# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which build a node takes, and who runs what; tests/unit/roles/test_processors.py asks for every processor."""

from __future__ import annotations

from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._spack.targets import node_targets

GENERATIONS = ("x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4")
PROCESSORS = {
    name: {
        "family": "x86_64",
        "vendor": "generic",
        "features": GENERATIONS[1 : number + 1],
        "ancestors": GENERATIONS[:number],
    }
    for number, name in enumerate(GENERATIONS)
}


def module(name: str, generation: int, version: int = 0, number: int = 0, level: str = "Core") -> dict[str, Any]:
    """As Spack tells of one: for which generation (0 for the system's own), of which version and list."""
    needs = f"x86_64_v{generation}" if generation else ""
    place = {"name": name, "level": level, "file": f"/m/{level}/{name}.lua"}
    return {**place, "needs": needs, "list": number, "version": version}


def targets(*modules: dict[str, Any]) -> dict[str, Any]:
    built = sorted({one["needs"] for one in modules} - {""})
    return node_targets({"built": built, "modules": modules, "processors": PROCESSORS, "vendors": {"0x41": "ARM"}})


def test_builds_of_one_version_are_chosen_by_their_targets() -> None:
    plain, new, newest = module("hdf5/1", 2, 1), module("hdf5/1-two", 3, 1, 2), module("hdf5/1-one", 4, 1, 1)
    others = module("hdf5/2", 4, 2, 1), module("hdf5/0.9", 2, 0)
    found = targets(plain, new, newest, *others, module("zlib/1", 3, level="gcc"), module("hdf5/1", 4, level="gcc"))
    # Another version, newer or older, is for those nodes that run nothing else.
    assert found["choices"] == [[["hdf5/1-one", "x86_64_v4"], ["hdf5/1-two", "x86_64_v3"], ["hdf5/1", "x86_64_v2"]]]


def test_the_first_list_says_which_version_it_is() -> None:
    old, new = module("hdf5/1", 3, 0), module("hdf5/2", 4, 1)
    assert targets(old, new)["choices"] == [[["hdf5/2", "x86_64_v4"], ["hdf5/1", "x86_64_v3"]]]
    assert targets(old, {**new, "list": 1})["choices"] == [[["hdf5/1", "x86_64_v3"], ["hdf5/2", "x86_64_v4"]]]


def test_of_builds_for_one_target_the_first_list_goes_before() -> None:
    builds = module("hdf5/1-cuda", 4), module("hdf5/1", 4), module("hdf5/1-a", 4, 0, 1), module("hdf5/1-b", 3, 0, 1)
    assert targets(*builds)["choices"] == [[["hdf5/1", "x86_64_v4"], ["hdf5/1-b", "x86_64_v3"]]]


def test_what_does_not_differ_is_left_to_lmod() -> None:
    assert (
        targets(module("hdf5/1", 3, 0), module("hdf5/2", 3, 1), module("mpich/1", 0), module("mpich/2", 3))["choices"]
        == []
    )


def test_who_runs_what() -> None:
    found = targets(module("old/1", 2), module("new/1", 4), module("gcc/13", 0), module("new/2", 4))
    assert found["built"] == [
        {"name": "x86_64_v4", "own": True, "ways": [["generic", "x86_64_v2 x86_64_v3 x86_64_v4"]]},
        {"name": "x86_64_v2", "own": True, "ways": [["generic", "x86_64_v2"]]},
    ]
    assert found["others"] == {
        "x86_64": "",
        "x86_64_v2": "x86_64_v2",
        "x86_64_v3": "x86_64_v2",
        "x86_64_v4": "x86_64_v4 x86_64_v2",
    }
    # What is not Spack's own is for all.
    assert found["modules"] == {
        "x86_64_v2": [["old/1", "/m/Core/old/1.lua"]],
        "x86_64_v4": [["new/1", "/m/Core/new/1.lua"], ["new/2", "/m/Core/new/2.lua"]],
    }
    assert found["vendors"] == {}
    assert targets(module("gcc/13", 0)) == {}
