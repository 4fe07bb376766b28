# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a Spack works, and what its choices depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Grounds, Spack


def not_run(args: list[str], **options: Any) -> tuple[int, str, str]:
    raise AssertionError(f"nothing is to be run: {args} {options}")


def test_a_spack_that_was_given_a_directory_works_there_unasked(tmp_path: Path) -> None:
    spack = Spack(Host(not_run), "/nowhere/spack", tmp_path)
    assert spack.find_grounds(None) == Grounds(str(tmp_path / "envs"), str(tmp_path))


def test_what_is_known_is_not_asked_again(tmp_path: Path) -> None:
    known = Grounds("/e", "/s", (str(tmp_path),))
    assert Spack(Host(not_run), "/nowhere/spack", None).find_grounds(known) == known


def test_settings_that_are_not_of_spack_itself_count(tmp_path: Path) -> None:
    spack = Spack(Host(not_run), "/nowhere/spack", None)
    spack.find_grounds(Grounds("/e", "/s", (str(tmp_path), "/nowhere")))
    root = str(tmp_path / "spack")
    before = spack.sources(root, ())
    (tmp_path / "modules.yaml").write_text("modules: {}\n")
    assert spack.sources(root, ()) == before, "these decide nothing of what is solved"
    (tmp_path / "packages.yaml").write_text("packages: {}\n")
    assert set(spack.sources(root, ())) - set(before) == {str(tmp_path / "packages.yaml")}
