# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Spack answers of an environment's packages is known in the next call too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.environment_state_api import EnvironmentState
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Place
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import read_output

KEY = "a" * 32
LOCK = {
    "_meta": {"file-type": "spack-lockfile", "lockfile-version": 7},
    "roots": [{"hash": KEY, "spec": "bzip2", "group": "default"}],
    "concrete_specs": {KEY: {"name": "bzip2", "version": "1.0.8", "dependencies": []}},
}
#: Of one package, as scripts/state.py has it.
ANSWER: dict[str, Any] = {
    "prefix": "/shared/spack/opt/bzip2",
    "installed": True,
    "cached": False,
    "deprecated": True,
    "explicit": True,
    "license": "bzip2-1.0.6",
}


def nothing_is_run(*_arguments: Any, **_options: Any) -> tuple[int, str, str]:
    pytest.fail("a command was run")


def state(directory: Path) -> EnvironmentState:
    host = Host(nothing_is_run)
    return EnvironmentState(host, Spack(host, "/nowhere/spack", directory), directory)


def test_all_that_spack_says_of_a_package_is_kept(tmp_path: Path) -> None:
    (tmp_path / "spack.lock").write_text(json.dumps(LOCK))
    first = state(tmp_path)
    first.preview(first.lock, {})
    first.enter({"nodes": {KEY: ANSWER}, "database": "/nowhere/index.json"})
    first.save()
    again = state(tmp_path)
    assert again.read()
    assert again.places == {KEY: Place(**ANSWER)}
    (package,) = again.packages()
    assert (package.prefix, package.license) == ("/shared/spack/opt/bzip2", "bzip2-1.0.6")


def test_the_wrapper_of_compilers_comes_for_users_and_need_not_where_nobody_has_it(tmp_path: Path) -> None:
    wrapper = "w" * 32
    lock = json.loads(json.dumps(LOCK))
    lock["concrete_specs"][KEY]["dependencies"] = [{"hash": wrapper, "type": ["build"]}]
    lock["concrete_specs"][wrapper] = {"name": "compiler-wrapper", "version": "1.1.0", "dependencies": []}
    (tmp_path / "spack.lock").write_text(json.dumps(lock))

    def entered(**here: bool) -> EnvironmentState:
        found = state(tmp_path)
        found.preview(found.lock, {})
        nodes = {KEY: {**ANSWER, "installed": False, **here}, wrapper: {**ANSWER, "installed": False}}
        found.enter({"nodes": nodes, "database": "/nowhere/index.json"})
        return found

    both = [f"bzip2/{KEY}", f"compiler-wrapper/{wrapper}"]
    alone = [(entered(cached=True), {wrapper}), (entered(installed=True), {wrapper})]
    for one, build in [(entered(), {KEY, wrapper}), *alone]:
        assert one.wanted() == both
        assert {node.hash for node in one.to_build()} == build
        assert [item.name for item in one.packages()] == ["compiler-wrapper", "bzip2"]
    # Without its source nothing can be compiled, but what comes from a cache is there all the same.
    assert entered().pass_over(["compiler-wrapper@1.1.0"]) == set()
    taken = entered(cached=True)
    assert taken.pass_over(["bzip2@1.0.8", "compiler-wrapper@1.1.0"]) == {"compiler-wrapper@1.1.0"}
    assert (taken.wanted(), taken.to_build(), taken.needed()) == ([], [], {KEY})
    assert [item.name for item in taken.packages()] == ["bzip2"]


def test_what_came_with_the_volume_did_so_wherever_it_is_brought_once_more(tmp_path: Path) -> None:
    (tmp_path / "spack.lock").write_text(json.dumps(LOCK))
    found = state(tmp_path)
    found.preview(found.lock, {})
    found.enter({"nodes": {KEY: ANSWER}, "database": "/nowhere/index.json", "taken": [KEY]}, "the base")
    lines = [f"[ ] {KEY[:7]} bzip2@1.0.8 fetching from build cache (0s)", f"[+] {KEY[:7]} bzip2@1.0.8 /store (1s)"]
    brought = read_output(lines)
    assert found.take(brought)
    assert [item.origin for item in found.packages()] == ["base"]


def test_sources_are_looked_for_once(tmp_path: Path) -> None:
    (tmp_path / "spack.lock").write_text(json.dumps(LOCK))
    missing = {"nodes": {KEY: {**ANSWER, "installed": False}}, "database": "/nowhere/index.json"}
    first = state(tmp_path)
    first.preview(first.lock, {})
    first.enter(missing)
    assert first.unseen() == [KEY]
    first.note_seen([KEY])
    first.save()
    again = state(tmp_path)
    assert again.read()
    assert again.unseen() == []
    # A new solution begins anew, and what a cache has needs no sources.
    again.preview(again.lock, {})
    again.enter(missing)
    assert again.unseen() == [KEY]
    again.enter({**missing, "nodes": {KEY: {**ANSWER, "installed": False, "cached": True}}})
    assert again.unseen() == []
