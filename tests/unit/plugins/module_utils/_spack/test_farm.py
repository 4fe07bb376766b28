# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a build farm is asked for, and the commands that build on it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.farm import Farm, Plan, Tools, depfile, plain, target
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node, SpackError

GIVEN = {"engine": "slurm", "options": ["--exclusive"], "jobs": 16, "local_dir": "/var/tmp"}
ONE, TWO = Node("lab-b1", "1.0", "a" * 32), Node("git-one", "git.main=2", "b" * 32)


def a_plan(**more: Any) -> Plan:
    given = {"key": "0123456789ab", "directory": "/own/farm/0123456789ab", "makefile": "/srv/env/farm/Makefile"}
    tools = Tools("/usr/bin/salloc", "/usr/bin/srun", "/usr/bin/scancel", "/usr/bin/squeue", "/usr/bin/make")
    return Plan(**{"farm": Farm(), "tools": tools, "cache": "/own/packages", **given, **more})


def test_without_a_farm_there_is_none() -> None:
    assert Farm.checked(None) is None
    assert Farm.checked(GIVEN) == Farm()
    wanted = {**GIVEN, "options": ["--partition=build", "-Aphysics", "-t60", "--exclude=c[1-2],d1"]}
    assert Farm.checked(wanted) == Farm(("--partition=build", "-Aphysics", "-t60", "--exclude=c[1-2],d1"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"options": ["-p", "build"]}, "farm.options has 'build': expected options of salloc"),
        ({"options": ["--partition=a\nb"]}, "expected options of salloc"),
        ({"options": ["--nodes=4"]}, "farm.options has '--nodes=4', which is not yours to say here"),
        ({"options": ["-N4"]}, "which is not yours"),
        ({"options": ["--job-name"]}, "which is not yours"),
        ({"jobs": 0}, "farm.jobs is 0: expected the number of packages at once"),
        ({"local_dir": "/var/$(id)"}, "farm.local_dir is '/var/$(id)'"),
        ({"local_dir": "tmp"}, "farm.local_dir is 'tmp'"),
    ],
)
def test_what_cannot_be_is_said(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SpackError) as error:
        Farm.checked({**GIVEN, **wrong})
    assert said in str(error.value)


def test_paths_can_stand_in_a_makefile() -> None:
    assert plain("/srv/own_1.2/a-b", "cache_dir") == "/srv/own_1.2/a-b"
    for path in ("/srv/a b", "/srv/$x", "/srv/a:b", "/srv/a%", "relative", "/srv/a\n"):
        with pytest.raises(SpackError, match="cache_dir"):
            plain(path, "cache_dir")


def test_a_package_is_called_as_the_depfile_calls_it() -> None:
    assert target(ONE) == f"lab-b1-1.0-{'a' * 32}"
    assert target(TWO) == f"git-one-git.main_2-{'b' * 32}"
    words = depfile("/srv/Makefile", [ONE])
    assert words[:5] == ["env", "depfile", "--make-disable-jobserver", "--make-prefix", ""]
    assert words[-1] == "/" + "a" * 32


def test_make_builds_what_is_missing_and_leaves_the_rest_alone() -> None:
    plan = a_plan(farm=Farm(jobs=3))
    words = plan.make([TWO], fail_fast=True)
    assert words[:4] == ["/usr/bin/make", "--silent", "--jobs=3", "--directory"]
    assert f"--assume-old=install/{target(TWO)}" in words
    assert "--keep-going" not in words
    assert words[-1] == "SPACK=/own/farm/0123456789ab/launch"
    assert "--keep-going" in plan.make([], fail_fast=False)


def test_a_job_has_the_options_of_the_user_and_a_name_by_which_it_is_ended() -> None:
    plan = a_plan(farm=Farm(("--partition=it's",)))
    request = plan.host_request(5, [], fail_fast=True)
    assert request["name"] == "petal-0123456789ab"
    assert request["job"][:3] == ["/usr/bin/salloc", "--partition=it's", "--job-name=petal-0123456789ab"]
    assert request["local"] == "/var/tmp/petal-5-0123456789ab"
    # Quoted, whatever it is.
    line = next(line for line in plan.launcher().splitlines() if "salloc" in line)
    assert shlex.split(line)[1] == "--partition=it's"


def test_the_launcher_notes_what_failed_and_a_node_says_what_it_does_not_see(tmp_path: Path) -> None:
    """With programs in place of Slurm's that run here what they are given."""
    salloc, srun = tmp_path / "salloc", tmp_path / "srun"
    for path in (salloc, srun):
        path.write_text('#!/bin/sh\nwhile case $1 in -*) ;; *) false ;; esac; do shift; done\nexec "$@"\n')
        path.chmod(0o755)
    tools = Tools(str(salloc), str(srun), "scancel", "squeue", "make")
    shared = tmp_path / "shared"
    shared.mkdir()
    launch = tmp_path / "launch"
    launch.write_text(a_plan(tools=tools, directory=str(shared)).launcher())
    done = subprocess.run(["sh", launch, "/" + "a" * 32], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"it does not see {shared}/farm_node.py" in done.stdout
    assert (shared / "failed").exists()
    (shared / "failed").unlink()
    (shared / "farm_node.py").write_text("import sys\nprint(sys.argv[1:])\n")
    done = subprocess.run(["sh", launch, "install", "/hash"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([str(shared), "install", "/hash"])
    assert not (shared / "failed").exists()
