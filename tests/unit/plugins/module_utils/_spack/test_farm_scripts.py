# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scripts of a build farm, that travel as text: on the host that submits, on a node, and inside of Spack."""

from __future__ import annotations

import fcntl
import inspect
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import farm_host, farm_node, farm_pack

KEY = "a" * 32
#: Of a program that stands in for Slurm's: notes how it is called.
NOTE = '#!/bin/sh\necho "$(basename "$0") $*" >>{log}\n'


@pytest.mark.parametrize("script", [farm_host, farm_node, farm_pack])
def test_a_script_stands_alone(script: Any) -> None:
    """It is handed over as its source, which imports nothing of the collection."""
    source = inspect.getsource(script)
    assert "ansible" not in source
    compile(source, script.__name__, "exec")


# --- on a node --------------------------------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The directory that all see, as the host of the volume writes it, with a Spack that says what it is told."""
    directory = tmp_path / "shared"
    for path in (directory / "nodes", directory / "logs", tmp_path / "packages"):
        path.mkdir(parents=True)
    request = {
        "id": "one-1",
        "local": str(tmp_path / "local"),
        "cache": str(tmp_path / "packages"),
        "system": farm_node.system(),
        "needs": ["/bin/sh"],
        "install": ["install", "--only-concrete"],
        "jobs": 2,
        "memory_per_job": 1,
    }
    (directory / "request.json").write_text(json.dumps(request))
    pack(directory, 'echo "$@"; echo "$SPACK_GNUPGHOME:${SECRET-none}:$TMPDIR"')
    return directory


def pack(directory: Path, commands: str) -> None:
    with tarfile.open(directory / "pack.tar", "w") as tar:
        data = f"#!/bin/sh\n{commands}\n".encode()
        member = tarfile.TarInfo("spack/bin/spack")
        member.size, member.mode = len(data), 0o755
        tar.addfile(member, io.BytesIO(data))


def change(directory: Path, **more: Any) -> None:
    path = directory / "request.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def on_node(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, farm_node.__file__, str(directory), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "SECRET": "x"})


def test_a_node_builds_the_package_of_the_last_word(shared: Path, tmp_path: Path) -> None:
    done = on_node(shared, "-e", "/env", "install", "--only=package", f"/{KEY}")
    assert done.returncode == 0, done.stderr
    local = tmp_path / "local"
    first, called, environment = done.stdout.splitlines()
    assert first.startswith(f"==> Node {os.uname().nodename}: {KEY}, 2 jobs, ")
    assert called == f"-C {local}/scope -e {local}/env install --only-concrete -j2 /{KEY}"
    assert environment == f"{local}/gpg:none:{local}/tmp"
    assert (shared / "nodes" / os.uname().nodename).exists()
    assert local.stat().st_mode & 0o777 == 0o700
    assert on_node(shared, "clean").returncode == 0
    assert not local.exists()


def test_what_failed_leaves_its_log_where_others_read_it(shared: Path, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("error: why\n")
    pack(shared, f'echo "[x] aaaaaaa petal-one@1.0 failed: {log} (3s)"; exit 1')
    done = on_node(shared, f"/{KEY}")
    assert done.returncode == 1
    kept = shared / "logs" / f"{os.uname().nodename}-petal-one@1.0-aaaaaaa.log"
    assert f"[x] aaaaaaa petal-one@1.0 failed: {kept} (3s)" in done.stdout
    assert kept.read_text() == "error: why\n"


def test_a_node_says_why_it_cannot_build(shared: Path, tmp_path: Path) -> None:
    assert on_node(shared, "probe").returncode == 0
    change(
        shared,
        system={"machine": "riscv", "system": "other 1"},
        needs=["/no/gcc"],
        cache=str(tmp_path / "nowhere"),
        local=str(tmp_path / "packages" / "file" / "local"),
    )
    (tmp_path / "packages" / "file").touch()
    done = on_node(shared, "probe")
    assert done.returncode == 1
    errors = [line for line in done.stdout.splitlines() if line.startswith("==> Error: no package can be built on ")]
    for said in ("and the host of the volume is riscv other 1", "it lacks /no/gcc", "cannot be written there", "made"):
        assert any(said in line for line in errors), (said, errors)


def test_what_is_somebody_elses_is_not_used(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "local").symlink_to(tmp_path / "theirs")
    done = on_node(shared, "probe")
    assert done.returncode == 1
    assert "is not a directory of user" in done.stdout


def test_a_node_is_not_cleaned_while_another_job_builds_there(shared: Path, tmp_path: Path) -> None:
    assert on_node(shared, f"/{KEY}").returncode == 0
    with (tmp_path / "local" / "used").open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        on_node(shared, "clean")
        assert (tmp_path / "local" / "spack").exists()
    on_node(shared, "clean")
    assert not (tmp_path / "local").exists()


def test_another_installation_unpacks_anew_and_keeps_what_came_from_the_cache(shared: Path, tmp_path: Path) -> None:
    on_node(shared, f"/{KEY}")
    (tmp_path / "local" / "store").mkdir()
    (tmp_path / "local" / "stage").mkdir()
    change(shared, id="one-2")
    pack(shared, "echo second")
    assert "second" in on_node(shared, f"/{KEY}").stdout
    assert (tmp_path / "local" / "store").exists()
    assert not (tmp_path / "local" / "stage").exists()


def test_a_job_that_is_cancelled_takes_all_with_it(shared: Path, tmp_path: Path) -> None:
    pack(shared, "echo started; sleep 60 & echo $!; wait")
    argv = [sys.executable, farm_node.__file__, str(shared), f"/{KEY}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _number in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    wait_until_gone(int(lines[2]))
    assert not (tmp_path / "local").exists()


def test_a_job_for_which_nobody_waits_ends(shared: Path) -> None:
    pack(shared, "exec sleep 60")
    text = "import sys, farm_node; farm_node.SILENCE = 1; farm_node.POLL = 0.1; sys.exit(farm_node.main(sys.argv[1:]))"
    path = {**os.environ, "PYTHONPATH": str(Path(farm_node.__file__).parent)}
    began = time.monotonic()
    argv = [sys.executable, "-c", text, str(shared), f"/{KEY}"]
    done = subprocess.run(argv, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 143, done.stderr
    assert time.monotonic() - began < 30


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_slurm_says_how_many_processors_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "48")
    assert farm_node.processors() == 48
    assert farm_node.jobs({"jobs": 0, "memory_per_job": 1}) == 48
    assert farm_node.jobs({"jobs": 0, "memory_per_job": 1 << 60}) == 1
    assert farm_node.jobs({"jobs": 3, "memory_per_job": 1}) == 3
    monkeypatch.delenv("SLURM_CPUS_ON_NODE")
    assert farm_node.processors() == len(os.sched_getaffinity(0))


# --- on the host that submits -----------------------------------------------------------------------------------------


@pytest.fixture
def submitting(tmp_path: Path) -> Path:
    """The directory that all see, with programs in place of Slurm's."""
    directory = tmp_path / "shared"
    (directory / "nodes").mkdir(parents=True)
    (directory / "nodes" / "c1").touch()
    log = tmp_path / "calls"
    for name in ("salloc", "scancel", "squeue", "make"):
        (tmp_path / name).write_text(NOTE.format(log=log))
        (tmp_path / name).chmod(0o755)
    request = {
        "name": "petal-x",
        "owner": os.geteuid(),
        "options": ["--partition=build"],
        "job": [str(tmp_path / "salloc"), "--partition=build"],
        "task": ["node"],
        "scancel": str(tmp_path / "scancel"),
        "squeue": str(tmp_path / "squeue"),
        "make": [str(tmp_path / "make"), "all"],
        "fail_fast": True,
        "local": "/var/tmp/petal-x",
    }
    (directory / "host.json").write_text(json.dumps(request))
    return directory


def add(path: Path, commands: str) -> None:
    path.write_text(path.read_text() + commands + "\n")


def on_host(directory: Path, word: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, farm_host.__file__, str(directory), word]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def calls(directory: Path) -> list[str]:
    return (directory.parent / "calls").read_text().splitlines()


def test_make_builds_and_the_nodes_are_cleaned(submitting: Path) -> None:
    assert on_host(submitting, "make").returncode == 0
    assert calls(submitting) == ["make all", "salloc --partition=build --nodelist=c1 --immediate=30 node clean"]
    assert (submitting / "alive").read_text()


def test_what_slurm_says_is_said(submitting: Path) -> None:
    add(submitting.parent / "salloc", "echo 'salloc: error: invalid partition specified: build' >&2; exit 1")
    done = on_host(submitting, "probe")
    assert done.returncode == 1
    assert done.stdout == (
        "==> Error: Slurm ran no job for the build farm (--partition=build): invalid partition specified: build\n"
    )


def test_what_a_node_says_is_said(submitting: Path) -> None:
    add(submitting.parent / "salloc", "echo '==> Error: no package can be built on c1: why'; echo more; exit 1")
    assert on_host(submitting, "probe").stdout == "==> Error: no package can be built on c1: why\n"


def test_jobs_of_one_that_was_killed_are_ended_first(submitting: Path) -> None:
    left = submitting.parent / "left"
    left.touch()
    add(submitting.parent / "squeue", f"[ ! -e {left} ] || echo 17")
    add(submitting.parent / "scancel", f"rm {left}")
    assert on_host(submitting, "end").returncode == 0
    names = [line.split()[0] for line in calls(submitting)]
    assert names == ["squeue", "scancel", "squeue", "salloc"]
    assert all("--name=petal-x --user=" in line for line in calls(submitting)[:3])


def test_the_first_failure_ends_the_others(submitting: Path) -> None:
    ended = submitting.parent / "ended"
    add(submitting.parent / "make", f": >{submitting}/failed; while [ ! -e {ended} ]; do sleep 0.1; done; exit 2")
    add(submitting.parent / "scancel", f": >{ended}")
    assert on_host(submitting, "make").returncode == 2
    assert any(line.startswith("scancel") for line in calls(submitting))


def test_an_interrupt_cancels_the_jobs_and_cleans_the_nodes(submitting: Path) -> None:
    add(submitting.parent / "make", "echo begun; exec sleep 60")
    argv = [sys.executable, farm_host.__file__, str(submitting), "make"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert [line.split()[0] for line in calls(submitting)] == ["make", "scancel", "salloc"]


def test_a_node_that_cannot_be_had_is_named(submitting: Path) -> None:
    add(submitting.parent / "salloc", "exit 1")
    done = on_host(submitting, "make")
    assert done.returncode == 0
    assert done.stdout == "==> Warning: c1 was not free to take /var/tmp/petal-x away there\n"


# --- inside of Spack --------------------------------------------------------------------------------------------------


def test_a_pack_has_no_git_and_no_sockets(tmp_path: Path) -> None:
    (tmp_path / "in" / ".git").mkdir(parents=True)
    (tmp_path / "in" / ".git" / "HEAD").touch()
    (tmp_path / "in" / "file").touch()
    os.mkfifo(tmp_path / "in" / "pipe")
    with tarfile.open(tmp_path / "pack.tar", "w") as tar:
        found = farm_pack.Pack(tar, "/var/tmp/x")
        assert found.add(tmp_path / "in", "spack/lib") == "/var/tmp/x/spack/lib"
        found.write("scope/config.yaml", "{}")
    with tarfile.open(tmp_path / "pack.tar") as tar:
        assert sorted(tar.getnames()) == ["scope/config.yaml", "spack/lib", "spack/lib/file"]
        assert tar.getmember("scope/config.yaml").mode == 0o600
