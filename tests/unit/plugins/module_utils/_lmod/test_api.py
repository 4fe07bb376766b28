# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the spider cache is fresh, and what Lmod is asked; the molecule scenario of the role has the real one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._lmod.api import Lmod, LmodError, is_fresh

SAID = "\nModules based on Lua: Version 8.6.19  2022-12-09 16:00 -06:00\n    by Robert McLay mclay@tacc.utexas.edu\n"


class Answers:
    """A host on which each command says the same, and what it was asked."""

    def __init__(self, status: int = 0, output: str = "", problem: str = "") -> None:
        self.answer = (status, output, problem)
        self.asked: list[tuple[list[str], dict[str, str]]] = []

    def __call__(self, args: list[str], **options: Any) -> tuple[int, str, str]:
        self.asked.append((args, options["environ_update"]))
        return self.answer


@pytest.fixture(name="tree")
def a_tree(tmp_path: Path) -> Path:
    """A tree with one modulefile, and a cache beside it that was written a minute later."""
    modulefile = tmp_path / "Core/tool/1.0.lua"
    modulefile.parent.mkdir(parents=True)
    modulefile.touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/timestamp").touch()
    for path in (modulefile, modulefile.parent, tmp_path / "Core"):
        os.utime(path, (1000, 1000))
    os.utime(tmp_path / ".cache/timestamp", (1060, 1060))
    return tmp_path


def test_a_cache_is_fresh_while_nothing_is_newer(tree: Path) -> None:
    assert is_fresh(tree / ".cache", [str(tree / "Core")])
    assert not is_fresh(tree / "elsewhere", [str(tree / "Core")])


@pytest.mark.parametrize("newer", ["Core/tool/1.0.lua", "Core/tool", "Core"])
def test_a_changed_modulefile_or_a_directory_without_one_of_before_makes_it_stale(tree: Path, newer: str) -> None:
    os.utime(tree / newer, (1061, 1061))
    assert not is_fresh(tree / ".cache", [str(tree / "Core")])


def test_a_link_counts_with_its_own_time_and_leads_nowhere(tree: Path) -> None:
    link = tree / "Core/loop"
    link.symlink_to(tree)
    os.utime(link, (1000, 1000), follow_symlinks=False)
    os.utime(tree / "Core", (1000, 1000))
    assert is_fresh(tree / ".cache", [str(tree / "Core")])


def test_a_tree_that_is_not_there_is_an_error(tree: Path) -> None:
    with pytest.raises(PetalError, match=r"looking for modulefiles .*nowhere: No such file"):
        is_fresh(tree / ".cache", [str(tree / "nowhere")])


def test_the_version_is_what_lmod_prints_on_its_error_output(tmp_path: Path) -> None:
    host = Answers(problem=SAID)
    assert Lmod(host, str(tmp_path)).version() == "8.6.19"
    assert host.asked == [([f"{tmp_path}/libexec/lmod", "--version"], {"LC_ALL": "C.UTF-8"})]


def test_what_goes_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(LmodError, match=r"asking Lmod for its version: .*/lmod ended with status 1: lua: not found"):
        Lmod(Answers(1, problem="lua: not found\n"), str(tmp_path)).version()
    with pytest.raises(LmodError, match="names no version: what is this"):
        Lmod(Answers(0, "what is\nthis"), str(tmp_path)).version()


def test_a_cache_is_written_from_the_modulefiles_and_the_one_of_before_goes(tmp_path: Path) -> None:
    (tmp_path / "spiderT.lua").touch()
    (tmp_path / "spiderT.old.luac_5.3").touch()
    host = Answers()
    Lmod(host, "/usr/share/lmod/lmod").write_cache(tmp_path, ["/shared/modules/Core", "/shared/modules/mpi"])
    ((command, environment),) = host.asked
    assert command[0] == "/usr/share/lmod/lmod/libexec/update_lmod_system_cache_files"
    assert command[1:] == [
        "-d",
        str(tmp_path),
        "-t",
        f"{tmp_path}/timestamp",
        "/shared/modules/Core:/shared/modules/mpi",
    ]
    nothing_hidden = {"LMOD_MODULERC": "/dev/null", "LMOD_MODULERCFILE": "/dev/null"}
    assert environment == {"LC_ALL": "C.UTF-8", "LMOD_IGNORE_CACHE": "yes", **nothing_hidden}
    assert [path.name for path in tmp_path.iterdir()] == ["spiderT.lua"]
