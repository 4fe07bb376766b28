# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a killed run of the tests leaves mounted is taken away, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from leftovers import TRUTH, own_directory, run_command, sweep
from playing import ROOT, loop_devices, mounts

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._namespace.api import RUNTIME

CASE = "two-deployments-on-one-host"
FSTAB = Path("/etc/fstab")
PROFILES = Path("/etc/profile.d")

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory of these runs alone: others that go on are none of ours."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def case(temporary: Path) -> subprocess.Popen[str]:
    """Start a case of the truth that builds and deploys, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-B", ROOT / "tests/truth/run.py", CASE],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests/lab"), "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def killed_when(reached: Callable[[], bool], temporary: Path) -> None:
    """Kill a case with SIGKILL, and all of its process group, as soon as something is the case."""
    process = case(temporary)
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it was never reached"
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def command() -> str:
    """Run the command, which has to succeed; what it says."""
    argv = [sys.executable, "-B", str(ROOT / "tests/lab/leftovers.py")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def namespaces(temporary: Path) -> list[Path]:
    """The mount namespaces of volumes in stores below a directory."""
    notes = [note for note in RUNTIME.glob("*/owner") if str(temporary) in note.read_text()]
    return [note.parent for note in notes]


def left(temporary: Path) -> list[str]:
    """What there is on this machine of stores below a directory."""
    found = [line for line in mounts() | loop_devices() if str(temporary) in line]
    found += [line for line in FSTAB.read_text().splitlines() if str(temporary) in line]
    found += [str(path) for path in (*namespaces(temporary), *temporary.glob(f"{TRUTH}*"))]
    found += [str(path) for path in PROFILES.glob(".z00_petal*") if "/petal-truth-" in path.read_text()]
    found += [str(path) for path in PROFILES.glob("z00_petal*") if "/petal-truth-" in path.read_text()]
    return found + [str(path) for path in (Path("/petal-truth-a"), Path("/petal-truth-b")) if path.exists()]


def test_a_killed_case_is_not_in_the_way_of_the_next_run(temporary: Path) -> None:
    def builds() -> bool:
        return any((directory / "python").exists() for directory in namespaces(temporary))

    def deployed() -> bool:
        profile = PROFILES / "z00_petal.csh"
        return str(temporary) in FSTAB.read_text() and profile.exists() and "/petal-truth-a" in profile.read_text()

    killed_when(builds, temporary)
    killed = next(temporary.glob(f"{TRUTH}*"))
    assert namespaces(temporary)
    said = command()
    assert f"{killed}: volume build-" in said
    assert f"{killed}: removed" in said
    assert left(temporary) == []
    before = FSTAB.read_text()

    killed_when(deployed, temporary)
    said = command()
    assert "/etc/profile.d forgets /petal-truth-a" in said
    assert f"{FSTAB} forgets {temporary}/" in said
    assert "remove /petal-truth-a" in said
    assert left(temporary) == []
    assert FSTAB.read_text() == before

    again = case(temporary)
    assert f"right    {CASE}" in again.communicate()[0]
    assert left(temporary) == []
    assert command() == ""


@contextlib.contextmanager
def attached(image: Path) -> Iterator[str]:
    """A volume's image on a loop device, which is given."""
    image.parent.mkdir(parents=True)
    with image.open("wb") as stream:
        stream.truncate(1 << 20)
    device = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout
    try:
        yield device.strip()
    finally:
        subprocess.run(["losetup", "--detach", device.strip()], capture_output=True, check=False)


def ended() -> int:
    """The number of a process that there is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_only_what_dead_runs_left_goes(temporary: Path) -> None:
    runs = temporary / "pytest-of-root"
    dead, over, lives, other = runs / "pytest-1", runs / "pytest-2", runs / "pytest-3", temporary / "store"
    with contextlib.ExitStack() as stack:
        for place in (dead, over, lives, other):
            stack.enter_context(attached(place / "volumes" / "v.img"))
        (dead / ".lock").write_text(str(ended()))
        (lives / ".lock").write_text(str(os.getpid()))
        used = stack.enter_context(own_directory(TRUTH))
        stack.enter_context(attached(used / "store" / "volumes" / "v.img"))
        free = "volume v: free the loop device"
        assert list(sweep(Host(run_command))) == [f"{dead}: {free}", f"{dead}: removed", f"{over}: {free}"]
        assert {place for place in (dead, over, lives, other, used) if place.exists()} == {over, lives, other, used}
        attached_to = {line.split()[1] for line in loop_devices() if str(temporary) in line}
        expected = [lives / "volumes/v.img", other / "volumes/v.img", used / "store/volumes/v.img"]
        assert attached_to == set(map(str, expected))


def test_what_a_case_leaves_mounted_is_not_in_the_way_of_the_next_one(temporary: Path) -> None:
    with own_directory(TRUTH) as place:
        (place / "mounted").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "petal-test", place / "mounted"], check=True)
        image = place / "mounted" / "disk.img"
        image.write_bytes(bytes(1 << 20))
        subprocess.run(["losetup", "--find", image], check=True)
        assert len(left(temporary)) == 3
    assert left(temporary) == []


def test_a_directory_that_another_one_has_mounted_stays(temporary: Path) -> None:
    place, case = Path("/petal-leftovers"), temporary / f"{TRUTH}killed"

    def swept() -> list[str]:
        case.mkdir()
        (case / "seed.yaml").write_text(f"shared_storage: [{{name: software, mount_dir: {place}}}]\n")
        return list(sweep(Host(run_command)))

    place.mkdir()
    script = f"mount -t tmpfs petal-test {place} && echo mounted && read line"
    argv = ["unshare", "--mount", "sh", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "mounted\n"
        assert swept() == [f"{case}: removed"]
        other.communicate("\n")
    assert swept() == [f"{case}: remove {place}", f"{case}: removed"]
