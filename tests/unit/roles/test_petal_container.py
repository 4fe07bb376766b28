"""What runs programs of containers, with a stand-in for Apptainer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from node_hook import render


@pytest.mark.parametrize("name", ["apptainer", "awk", "grep"])
@pytest.mark.parametrize("whose", ["volume", "node"])
def test_a_program_that_is_called_as_what_runs_it_does_not_run_itself(tmp_path: Path, name: str, whose: str) -> None:
    volume, node = tmp_path / "volume", tmp_path / "node"
    programs = volume / "containers/programs/tools/1/bin"
    runtime = (volume / "containers/apptainer/bin" if whose == "volume" else node) / "apptainer"
    image = volume / "containers/images/sha256/ab.sqsh"
    for file in (runtime, programs / name, volume / "containers/bin/petal-container", image):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o755)
    template = "containers/templates/petal-container.j2"
    script = render(template, containers_mount_dir=str(volume), containers_binds=[])
    (volume / "containers/bin/petal-container").write_text(script)
    runtime.write_text('#!/bin/sh\necho "ran by $0: $*"\n')
    called = tmp_path / "called"
    (programs / name).write_text(f"#!/bin/sh\n: >{called}\nexit 9\n")
    done = subprocess.run(
        [volume / "containers/bin/petal-container", "ab", "--", "tool", "a b"],
        env={"PATH": f"{programs}:{node}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr, called.exists()) == (0, "", False)
    assert done.stdout.startswith(f"ran by {runtime}: ") and done.stdout.endswith(f"{image} tool a b\n")


@pytest.mark.parametrize(
    ("gpu", "devices", "option"),
    [
        ("yes", "nvidiactl", "--nv"),
        ("yes", "kfd", "--rocm"),
        ("yes", "nvidiactl kfd", "--nv"),
        ("yes", "", ""),
        ("no", "nvidiactl", ""),
    ],
)
def test_a_node_gives_the_gpus_that_it_has_to_who_asks(tmp_path: Path, gpu: str, devices: str, option: str) -> None:
    image = tmp_path / "containers/images/sha256/ab.sqsh"
    runtime, launcher = tmp_path / "containers/apptainer/bin/apptainer", tmp_path / "containers/bin/petal-container"
    for file in (image, runtime, launcher):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o755)
    template = "containers/templates/petal-container.j2"
    launcher.write_text(render(template, containers_mount_dir=str(tmp_path), containers_binds=[]))
    runtime.write_text('#!/bin/sh\necho "$*"\n')
    # A /dev of its own, with devices that no machine of the tests has.
    inside = 'mount -t tmpfs none /dev && : >/dev/null; for one in $2; do : >"/dev/$one"; done; exec "$0" ab $1 -- tool'
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", inside, str(launcher)]
    if subprocess.run([*words[:3], "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    asked = "--gpu" if gpu == "yes" else ""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run([*words, asked, devices], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [word for word in done.stdout.split() if word in ("--nv", "--rocm")] == ([option] if option else [])


ALONE = {"OMPI_MCA_btl_vader_single_copy_mechanism": "none", "UCX_POSIX_USE_PROC_LINK": "n"}


@pytest.mark.parametrize(
    ("whose", "given", "shares", "told"),
    [
        ("volume", {}, False, {}),
        ("volume", {"PETAL_CONTAINER_MPI": "yes"}, False, {}),
        ("volume", {"PMIX_RANK": "0"}, False, ALONE),
        ("volume", {"PMI_RANK": "0", "PETAL_CONTAINER_MPI": "no"}, False, ALONE),
        (
            "volume",
            {"PMIX_RANK": "0", "UCX_POSIX_USE_PROC_LINK": "y"},
            False,
            {**ALONE, "UCX_POSIX_USE_PROC_LINK": "y"},
        ),
        ("volume", {"PMIX_RANK": "0", "PETAL_CONTAINER_MPI": "yes"}, True, {}),
        ("volume", {"PMI_RANK": "1", "PETAL_CONTAINER_MPI": "yes"}, True, {}),
        ("node", {"PMIX_RANK": "0", "PETAL_CONTAINER_MPI": "yes"}, False, ALONE),
    ],
)
def test_tasks_of_mpi_share_a_namespace_where_that_is_asked_for(
    tmp_path: Path, whose: str, given: dict[str, str], shares: bool, told: dict[str, str]
) -> None:
    done = task(tmp_path, whose, given)
    assert (done.returncode, done.stderr) == (0, "")
    words, *variables = done.stdout.splitlines()
    assert ("--sharens" in words.split()) == shares
    said = dict(line.split("=", 1) for line in variables)
    assert {name: said[name] for name in ALONE if name in said} == told


@pytest.mark.parametrize(
    ("offered", "taken"),
    [("munge,native", "native"), ("native,munge", "native"), ("munge", "munge"), ("native", "native"), ("", None)],
)
def test_pmix_is_asked_for_no_munge_where_there_is_another_way(tmp_path: Path, offered: str, taken: str | None) -> None:
    done = task(tmp_path, "volume", {"PMIX_RANK": "0", **({"PMIX_SECURITY_MODE": offered} if offered else {})})
    said = dict(line.split("=", 1) for line in done.stdout.splitlines()[1:])
    assert said.get("PMIX_SECURITY_MODE") == taken


def test_what_pmix_made_for_a_job_is_there(tmp_path: Path) -> None:
    made = {"PMIX_SERVER_TMPDIR": "/usr/", "PMIX_DSTORE_21_BASE_PATH": "/usr/a b", "PMIX_DSTORE_ESH_BASE_PATH": "/gone"}
    words = task(tmp_path, "volume", {"PMIX_RANK": "0", **made}).stdout.splitlines()[0]
    assert "--bind /usr/ " in words and "a b" not in words and "/gone" not in words


def test_another_word_for_yes_is_refused(tmp_path: Path) -> None:
    done = task(tmp_path, "volume", {"PETAL_CONTAINER_MPI": "1"})
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == "petal-container: PETAL_CONTAINER_MPI is 1: it may be yes or no\n"


def task(tmp_path: Path, whose: str, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program with an environment, by an Apptainer that prints its words and, a line each, its variables."""
    volume, node = tmp_path / "volume", tmp_path / "node"
    runtime = (volume / "containers/apptainer/bin" if whose == "volume" else node) / "apptainer"
    image, launcher = volume / "containers/images/sha256/ab.sqsh", volume / "containers/bin/petal-container"
    for file in (image, runtime, launcher):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o755)
    template = "containers/templates/petal-container.j2"
    launcher.write_text(render(template, containers_mount_dir=str(volume), containers_binds=[]))
    runtime.write_text('#!/bin/sh\necho "$*"\nenv\n')
    environment = {"PATH": f"{node}:{os.environ['PATH']}", "HOME": str(tmp_path), **given}
    return subprocess.run([launcher, "ab", "--", "tool"], env=environment, capture_output=True, text=True, check=False)
