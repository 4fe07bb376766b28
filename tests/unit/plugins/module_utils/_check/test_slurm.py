"""What a Slurm job is told to run, and how its output is read."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._check.model import Check, verdict
from ansible_collections.petal.hpc.plugins.module_utils._check.slurm import (
    Asked,
    check_node,
    job_argv,
    job_script,
    read_job,
)
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

ASKED = Asked("alice", 30, 60, ("--partition=debug",))
CHECKS = [Check("a/1", ("a/1",), ("a", "--version")), Check("b/2", ("b/2",), ())]


def test_a_job_takes_nothing_of_the_submitting_shell_along() -> None:
    argv = job_argv(ASKED, "c1", "echo 'a b'")
    assert argv[:5] == ["runuser", "--login", "--shell", "/bin/bash", "alice"]
    srun = shlex.split(argv[-1])
    assert srun[0] == "srun"
    assert {"--nodelist=c1", "--export=NONE", "--immediate=60", "--partition=debug"} <= set(srun)
    assert srun[-3:] == ["/bin/bash", "-c", "echo 'a b'"]


@pytest.mark.parametrize("name", ["c1,c2", "c[1-2]", "-c1", "", "c 1", "$(id)"])
def test_a_node_is_one_name(name: str) -> None:
    with pytest.raises(PetalError, match="Slurm node"):
        check_node(name)


def test_the_output_of_a_whole_job_is_read_as_bash_writes_it() -> None:
    shown = subprocess.run(
        ["/bin/bash", "-c", job_script(CHECKS, 30, "MARK")], capture_output=True, text=True, check=False
    )
    # No Lmod where unit tests run, or no such module: each check fails, and comes to its end.
    results = read_job(shown.stdout, shown.stderr, CHECKS, ASKED, "MARK", "c1")
    assert [result.name for result in results] == ["a/1", "b/2"]
    assert all(result.rc > 0 and result.node == "c1" for result in results)


def test_each_check_has_its_own_status_time_and_output() -> None:
    stdout = "motd\n\nM begin 0\nfine\n\nM end 0 0 1500\n\nM begin 1\nslow\n\nM end 1 124 30000\n"
    first, second = read_job(stdout, "", CHECKS, ASKED, "M", "c1")
    assert (first.ok, first.rc, first.seconds, first.output) == (True, 0, 1.5, "fine")
    assert (second.ok, second.rc) == (False, 124)
    assert second.output == "slow\nended after 30 s"


def test_a_job_that_is_cut_off_fails_what_it_did_not_reach() -> None:
    stdout = "\nM begin 0\nfine\n\nM end 0 0 10\n\nM begin 1\nhalf a"
    first, second = read_job(stdout, "slurmstepd: error: CANCELLED", CHECKS, ASKED, "M", "c1")
    assert first.ok
    assert not second.ok
    assert "half a" in second.output
    assert "CANCELLED" in second.output


def test_a_job_that_never_began_says_what_srun_said() -> None:
    results = read_job("", "srun: error: Unable to allocate resources", CHECKS, ASKED, "M", "c9")
    assert not any(result.ok for result in results)
    assert "Unable to allocate resources" in results[0].output
    assert "2 of 2 checks" in verdict(results, "alice")
    assert "a/1 on c9" in verdict(results, "alice")


def test_what_the_node_cannot_run_was_not_checked() -> None:
    refused = "error: a/1 was built for x86_64_v4, which this node's\nprocessor cannot run: it lacks avx512f"
    stdout = f"\nM begin 0\n{refused}\n\nM end 0 1 10\n\nM begin 1\nfine\n\nM end 1 0 10\n"
    first, second = read_job(stdout, "", CHECKS, ASKED, "M", "c2")
    assert (first.ok, first.needs) == (False, "x86_64_v4")
    assert (second.ok, second.needs) == (True, "")
    assert verdict([first, second], "alice") == ""
