# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an installation on nodes, and its steps."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack import farm_api
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.farm import Farm
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node, SpackError
from ansible_collections.petal.hpc.plugins.module_utils._spack.workshop import Workshop

FACTS = {"root": "/shared/spack/opt", "mirrors": {}, "compilers": ["/usr/bin/gcc"]}
NODES = {key * 32: Node(key, "1", key * 32) for key in "ab"}


@pytest.fixture
def host() -> Host:
    def never(args: list[str], **_options: Any) -> tuple[int, str, str]:
        raise AssertionError(args)

    return Host(never)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "programs"
    directory.mkdir()
    for name in ("salloc", "srun", "scancel", "squeue", "make"):
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(farm_api, "PLACES", ())
    return directory


def files_in(tmp_path: Path, host: Host) -> tuple[farm_api.FarmFiles, Workshop]:
    environment = tmp_path / "work" / "envs" / "one"
    environment.mkdir(parents=True)
    workshop = Workshop.below(str(tmp_path / "own"), str(environment), 128)
    spack = Spack(host, "/bin/spack", tmp_path / "work")
    return farm_api.FarmFiles(host, spack, environment, workshop, Farm(), str(tmp_path / "own")), workshop


def test_a_host_without_slurm_is_told_so(tmp_path: Path, host: Host, programs: Path) -> None:
    (programs / "salloc").unlink()
    with pytest.raises(SpackError, match=f"salloc is not found on {os.uname().nodename}: a build farm needs"):
        files_in(tmp_path, host)


def test_the_steps_ask_a_node_first_and_build_last(tmp_path: Path, host: Host, programs: Path) -> None:
    files, workshop = files_in(tmp_path, host)
    steps = files.steps(FACTS, NODES, [NODES["b" * 32]], 0, True)
    shared = Path(workshop.cache).parent / "farm" / Path(workshop.store).name
    assert [step[-1] for step in steps] == ["probe", str(shared / "pack.json"), "/" + "b" * 32, "make"]
    assert shared.stat().st_mode & 0o777 == 0o700
    request = json.loads((shared / "request.json").read_text())
    assert request["needs"] == ["/usr/bin/gcc"]
    assert request["local"] == f"/var/tmp/petal-{os.geteuid()}-{shared.name}"
    packing = json.loads((shared / "pack.json").read_text())
    assert packing["missing"] == ["b" * 32]
    assert packing["settings"]["config"]["install_tree"] == {"root": request["local"] + "/store", "padded_length": 128}
    # What a node has built, the next one takes: no package is left out.
    assert "fetch" not in packing["settings"]["mirrors"]["petal-own"]
    assert packing["settings"]["mirrors"]["petal-own"]["autopush"] is True
    making = json.loads((shared / "host.json").read_text())["make"]
    assert f"--assume-old=install/a-1-{'a' * 32}" in making
    assert making[0] == str(programs / "make")


@pytest.mark.usefixtures("programs")
def test_what_one_that_was_killed_had_on_nodes_is_remembered(tmp_path: Path, host: Host) -> None:
    files, workshop = files_in(tmp_path, host)
    cache = str(tmp_path / "own")
    assert farm_api.ends_earlier(host, cache, workshop) == []
    files.steps(FACTS, NODES, [NODES["b" * 32]], 0, True)
    shared = next((tmp_path / "own" / "farm").iterdir())
    (shared / "nodes" / "c1").touch()
    (shared / "pack.tar").touch()
    ((*_python, script, directory, word),) = farm_api.ends_earlier(host, cache, workshop)
    assert (script, directory, word) == (str(shared / "farm_host.py"), str(shared), "end")
    files.steps(FACTS, NODES, [NODES["b" * 32]], 0, True)
    assert (shared / "nodes" / "c1").exists()
    # The keys are in there.
    assert not (shared / "pack.tar").exists()


@pytest.mark.usefixtures("programs")
def test_logs_of_what_failed_stay(tmp_path: Path, host: Host) -> None:
    files, workshop = files_in(tmp_path, host)
    cache = str(tmp_path / "own")
    farm_api.clear(host, cache, workshop)
    files.steps(FACTS, NODES, [NODES["b" * 32]], 0, True)
    shared = next((tmp_path / "own" / "farm").iterdir())
    (shared / "logs" / "c1-b@1.log").touch()
    farm_api.clear(host, cache, workshop)
    assert [path.name for path in shared.iterdir()] == ["logs"]
    (shared / "logs" / "c1-b@1.log").unlink()
    farm_api.clear(host, cache, workshop)
    assert not shared.exists()


@pytest.mark.usefixtures("programs")
def test_a_path_that_make_cannot_name_is_refused(tmp_path: Path, host: Host) -> None:
    with pytest.raises(SpackError, match="work_dir is"):
        files_in(tmp_path / "with space", host)
