"""Volumes of the local provider on real loop devices: made, grown, mounted, refused, found again after a crash."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from leftovers import run_command
from modules import fail_module, result_of, run_module, start_module
from playing import ROOT, environment

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._namespace.api import RUNTIME, MountNamespace, mark_of

EXT4_IOC_SHUTDOWN = 0x8004587D


@pytest.fixture
def name(store: Path) -> Iterator[str]:
    """A volume name of this test alone, removed at the end; /run/petal is one for the whole host."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    run_module("local_volume", store=store, name=name, state="absent", evict=True)


@pytest.fixture
def mount_dir(tmp_path: Path) -> Path:
    return tmp_path / "mount dir"


@pytest.fixture
def small_disk(store: Path) -> Iterator[Path]:
    """A store on a disk of 64 MiB."""
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "petal-test", store], check=True)
    yield store
    subprocess.run(["umount", store], check=True)


def inside(volume: dict[str, Any], code: str) -> str:
    """Run Python where the volume is mounted."""
    return subprocess.run([volume["python"], "-c", code], check=True, capture_output=True, text=True).stdout


def listing(store: Path) -> dict[str, tuple[int, int]]:
    """All files of a store with size and time."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(store.rglob("*"))}


def test_life_of_a_volume(store: Path, name: str, mount_dir: Path) -> None:
    asked: dict[str, Any] = {"store": store, "name": name, "size_gb": 1, "tags": {"a": "b"}}
    predicted = run_module("local_volume", check=True, **asked)
    assert predicted["changed"]
    assert not store.exists(), "check mode changes nothing"

    made = run_module("local_volume", **asked)
    assert made["changed"]
    assert made["volume"]["existed"] is False
    assert (made["volume"]["size_gb"], made["volume"]["tags"], made["volume"]["device"]) == (1, {"a": "b"}, None)
    image = Path(made["volume"]["image"])
    assert image.stat().st_size == 1024**3
    assert image.stat().st_blocks * 512 < 4 * 1024**2, "sparse"
    again = run_module("local_volume", **asked)
    assert (again["changed"], again["volume"]["existed"]) == (False, True)

    before = listing(store)
    mounting = {**asked, "state": "mounted", "mount_dir": mount_dir}
    predicted = run_module("local_volume", check=True, **mounting)
    assert predicted["volume"]["mounted"]
    assert predicted["diff"]["after"]["mount_dir"] == str(mount_dir)
    assert listing(store) == before
    assert not mount_dir.exists()

    mounted = run_module("local_volume", **mounting)
    assert mounted["volume"]["device"].startswith("/dev/loop")
    assert mount_dir.is_mount()
    (mount_dir / "file").write_text("kept")
    assert not run_module("local_volume", **mounting)["changed"]

    grown = run_module("local_volume", **{**mounting, "size_gb": 2})
    assert grown["volume"]["size_gb"] == 2
    usage = os.statvfs(mount_dir)
    assert usage.f_blocks * usage.f_frsize > 1.9 * 1024**3
    assert (mount_dir / "file").read_text() == "kept"
    assert not run_module("local_volume", **{**mounting, "size_gb": 2})["changed"]
    assert "never shrinks" in fail_module("local_volume", **mounting)

    reading = {**mounting, "size_gb": 2, "read_only": True}
    assert run_module("local_volume", **reading)["volume"]["read_only"] is True
    assert not run_module("local_volume", **reading)["changed"]
    with pytest.raises(OSError, match="Read-only"):
        (mount_dir / "file").write_text("no")

    assert run_module("local_volume", store=store, name=name, state="detached")["changed"]
    assert not mount_dir.is_mount()
    assert not run_module("local_volume", store=store, name=name, state="detached")["changed"]
    grown = run_module("local_volume", store=store, name=name, size_gb=3, label="fresh")
    assert grown["volume"]["size_gb"] == 3
    listed = run_module("local_volume_info", store=store, tags={"a": "b"})["volumes"]
    assert [volume["name"] for volume in listed] == [name]
    assert run_module("local_volume_info", store=store, tags={"a": "c"})["volumes"] == []

    assert run_module("local_volume", store=store, name=name, state="absent")["volume"] is None
    assert not run_module("local_volume", store=store, name=name, state="absent")["changed"]
    assert [path for path in store.rglob("*") if path.is_file()] == []


def test_attached(store: Path, name: str, mount_dir: Path) -> None:
    attached = run_module("local_volume", store=store, name=name, size_gb=1, state="attached")["volume"]
    assert Path(attached["device"]).is_block_device()
    assert not run_module("local_volume", store=store, name=name, state="attached")["changed"]
    mounted = run_module("local_volume", store=store, name=name, state="mounted", mount_dir=mount_dir)["volume"]
    assert mounted["mounted"]
    run_module("local_volume", store=store, name=name, state="detached")


PLAYBOOK = """---
- name: Work inside a volume
  hosts: localhost
  gather_facts: false
  vars:
    ansible_python_interpreter: {python}
  tasks:
    - name: Copy
      ansible.builtin.copy: {{content: hello, dest: "{target}/copied", mode: "0644"}}
    - name: Template
      ansible.builtin.template: {{src: text.j2, dest: "{target}/templated", mode: "0644"}}
      vars: {{who: you}}
    - name: Command
      ansible.builtin.command: {{argv: [cp, "{target}/copied", "{target}/commanded"]}}
      changed_when: true
    - name: Directory
      ansible.builtin.file: {{path: "{target}/directory", state: directory, mode: "0755"}}
    - name: In the background
      ansible.builtin.command: {{argv: [touch, "{target}/async"]}}
      async: 60
      poll: 1
      changed_when: true
"""


def test_modules_of_ansible_work_inside_and_the_host_sees_nothing(
    store: Path, name: str, mount_dir: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"store": store, "name": name, "size_gb": 1, "mount_dir": mount_dir, "namespace": True}
    volume = run_module("local_volume", state="mounted", **asked)["volume"]
    directory = Path(volume["namespace"]).parent
    assert re.fullmatch(rf"/run/petal/{name}-[0-9a-f]{{8}}", str(directory))
    (tmp_path / "text.j2").write_text("for {{ who }}")
    playbook = tmp_path / "inside.yml"
    playbook.write_text(PLAYBOOK.format(python=volume["python"], target=mount_dir))
    command = [Path(sys.executable).with_name("ansible-playbook"), playbook]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(mount_dir.iterdir()) == [], "the host sees an empty directory"
    files = inside(volume, f"import os; print(sorted(os.listdir({str(mount_dir)!r})))")
    assert files.strip() == "['async', 'commanded', 'copied', 'directory', 'lost+found', 'templated']"
    assert not run_module("local_volume", state="mounted", **asked)["changed"], "a living namespace is used again"
    assert inside(volume, "import os; print(os.getcwd())").strip() == str(Path.cwd())

    refused = subprocess.run(
        [
            *(Path(sys.executable).with_name("ansible"), "localhost", "-m", "petal.hpc.local_volume"),
            *(
                "-e",
                f"ansible_python_interpreter={volume['python']}",
                "-a",
                f"name={name} store={store} state=detached",
            ),
        ],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "runs inside the mount namespace" in refused.stdout + refused.stderr

    grown = run_module("local_volume", **{**asked, "size_gb": 2})["volume"]
    assert (grown["size_gb"], grown["mounted"]) == (2, True)
    run_module("local_volume", store=store, name=name, state="detached")
    assert not directory.exists()


def test_two_volumes_at_one_mount_directory(store: Path, name: str, mount_dir: Path) -> None:
    other = f"{name}-2"
    asked: dict[str, Any] = {"store": store, "size_gb": 1, "mount_dir": mount_dir, "state": "mounted"}
    run_module("local_volume", name=other, **asked)
    try:
        (mount_dir / "deployed").touch()
        volume = run_module("local_volume", name=name, namespace=True, **asked)["volume"]
        assert inside(volume, f"import os; print(os.listdir({str(mount_dir)!r}))").strip() == "['lost+found']"
        taken = fail_module("local_volume", name=f"{name}-3", check=False, **asked)
        assert "is mounted there" in taken
        # The namespace was made while the other one was mounted, and must not keep it.
        run_module("local_volume", store=store, name=other, state="detached")
        assert not mount_dir.is_mount()
    finally:
        for leftover in (other, f"{name}-3"):
            run_module("local_volume", store=store, name=leftover, state="absent")


def test_two_stores_of_a_host_have_volumes_of_one_name(store: Path, name: str, mount_dir: Path, tmp_path: Path) -> None:
    """As two builds of one seed into two stores: neither sees, ends or removes anything of the other."""
    asked: dict[str, Any] = {"name": name, "size_gb": 1, "mount_dir": mount_dir, "namespace": True, "evict": True}
    other = tmp_path / "another store"
    one = run_module("local_volume", store=store, state="mounted", **asked)["volume"]
    inside(one, f"open({str(mount_dir / 'one')!r}, 'w')")
    busy = subprocess.Popen([one["python"], "-c", "import time; time.sleep(1234)"])
    try:
        two = run_module("local_volume", store=other, state="mounted", **asked)
        assert (two["evicted"], busy.poll()) == ([], None)
        assert two["volume"]["namespace"] != one["namespace"]
        assert "one" not in inside(two["volume"], f"import os; print(os.listdir({str(mount_dir)!r}))")
        # By another path it is the same store.
        (tmp_path / "link").symlink_to(other)
        assert not run_module("local_volume", store=tmp_path / "link", state="mounted", **asked)["changed"]
        run_module("local_volume", store=other, name=name, state="absent", evict=True)
        assert "one" in inside(one, f"import os; print(os.listdir({str(mount_dir)!r}))")
        assert busy.poll() is None
    finally:
        busy.kill()
        busy.wait()
        run_module("local_volume", store=other, name=name, state="absent", evict=True)


def test_what_an_earlier_release_left_is_used_and_taken_away(
    store: Path, name: str, mount_dir: Path, tmp_path: Path
) -> None:
    """It named the directory by the volume alone; that of another store is left alone."""
    asked: dict[str, Any] = {
        "name": name, "size_gb": 1, "state": "mounted", "mount_dir": mount_dir, "namespace": True, "evict": True,
    }  # fmt: skip
    image = Path(run_module("local_volume", store=store, name=name, size_gb=1)["volume"]["image"])
    host, former = Host(run_command), MountNamespace(Host(run_command), name, image)
    former._directory = RUNTIME / name
    former.create([])
    mount_dir.mkdir()
    host.run(former.enter(["mount", "-o", "loop", str(image), str(mount_dir)]), "mounting")
    busy = subprocess.Popen([former.wrapper, "-c", "import time; time.sleep(1234)"])
    other = tmp_path / "other"
    try:
        volume = run_module("local_volume", store=other, **asked)["volume"]
        assert busy.poll() is None
        run_module("local_volume", store=other, name=name, state="absent", evict=True)
        assert former.directory.is_mount()
        found = run_module("local_volume", store=store, **asked)
        assert found["volume"]["python"] == str(RUNTIME / name / "python") != volume["python"]
        assert [process["pid"] for process in found["evicted"]] == [busy.pid]
    finally:
        busy.kill()
        busy.wait()
    run_module("local_volume", store=store, name=name, state="detached")
    assert not (RUNTIME / name).exists()
    now = run_module("local_volume", store=store, **asked)["volume"]
    assert Path(now["python"]).parent.name == f"{name}-{mark_of(store / 'volumes')}"


def test_foreign_file_systems_are_left_alone(store: Path, name: str, mount_dir: Path) -> None:
    image = store / "volumes" / f"{name}.img"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"XFSB" + b"x" * 8192)
    asked: dict[str, Any] = {"store": store, "name": name, "size_gb": 1, "state": "mounted", "mount_dir": mount_dir}
    assert "not one of petal.hpc" in fail_module("local_volume", **asked)
    assert "not one of petal.hpc" in fail_module("local_volume", store=store, name=name, state="absent")
    assert image.read_bytes()[:4] == b"XFSB"
    image.unlink()

    run_module("local_volume", store=store, name=name, size_gb=1)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    assert "another file system" in fail_module("local_volume", **asked)
    with image.open("r+b") as stream:
        stream.write(b"\0" * 4096)
    assert "no file system" in fail_module("local_volume", **asked)
    subprocess.run(["mkswap", "-q", image], check=False)
    assert "holds swap" in fail_module("local_volume", **asked)
    image.unlink()
    assert "is gone" in fail_module("local_volume", **asked)
    image.symlink_to("/dev/null")
    assert "no plain file" in fail_module("local_volume", **asked)
    image.unlink()


def test_a_busy_volume_names_who_uses_it(store: Path, name: str, mount_dir: Path) -> None:
    run_module("local_volume", store=store, name=name, size_gb=1, state="mounted", mount_dir=mount_dir)
    user = subprocess.Popen(["sleep", "1234"], cwd=mount_dir)
    try:
        message = fail_module("local_volume", store=store, name=name, state="detached")
    finally:
        user.kill()
        user.wait()
    assert f"{user.pid} (sleep 1234)" in message
    run_module("local_volume", store=store, name=name, state="detached")


def test_a_copy_in_another_namespace_does_not_keep_the_volume(store: Path, name: str, mount_dir: Path) -> None:
    """Whoever makes a mount namespace while a volume is mounted takes a copy of the mount along."""
    run_module("local_volume", store=store, name=name, size_gb=1, state="mounted", mount_dir=mount_dir)
    other = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "--", "sleep", "1234"])
    try:
        time.sleep(0.3)
        run_module("local_volume", store=store, name=name, state="detached")
    finally:
        other.kill()
        other.wait()


def test_eviction_spares_a_detached_build(store: Path, name: str, mount_dir: Path) -> None:
    asked: dict[str, Any] = {
        "store": store, "name": name, "size_gb": 1, "state": "mounted", "mount_dir": mount_dir, "namespace": True,
    }  # fmt: skip
    volume = run_module("local_volume", **asked)["volume"]
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(1234)"
    left = subprocess.Popen([volume["python"], "-c", stubborn], cwd="/", stdout=subprocess.PIPE)
    assert left.stdout is not None
    left.stdout.readline()
    spared = subprocess.Popen(
        [volume["python"], "-c", "import time; time.sleep(1234)"], env={**os.environ, "PETAL_DETACHED": "1"}
    )
    try:
        again = run_module("local_volume", evict=True, **asked)
        assert left.wait(10) == -signal.SIGKILL
        assert [process["pid"] for process in again["evicted"]] == [left.pid]
        assert again["changed"]
        assert spared.poll() is None
        assert inside(volume, "print('alive')").strip() == "alive"
        assert not run_module("local_volume", evict=True, **asked)["changed"]
    finally:
        for process in (left, spared):
            process.kill()
            process.wait()


def test_full_disk(small_disk: Path, name: str) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 56 * 1024**2)
    message = fail_module("local_volume", store=small_disk, name=name, size_gb=1)
    assert "are free" in message
    assert "Free some space" in message
    assert [path.name for path in small_disk.glob("volumes/*")] == []
    filler.unlink()
    made = run_module("local_volume", store=small_disk, name=name, size_gb=1)
    assert "may grow to 1.0 GiB" in str(made)


def test_removing_needs_no_room(small_disk: Path, name: str, mount_dir: Path) -> None:
    """A build that filled the disk: what it was writing fails, its removal does not."""
    asked: dict[str, Any] = {"store": small_disk, "name": name, "size_gb": 1, "state": "mounted"}
    volume = run_module("local_volume", **asked, mount_dir=mount_dir, namespace=True)["volume"]
    fill = f"""
import os
with open({str(mount_dir / "big")!r}, "wb") as stream:
    try:
        for _piece in range(100):
            stream.write(os.urandom(1024**2))
        stream.flush()
        os.fsync(stream.fileno())
    except OSError as error:
        print(error.strerror)
"""
    subprocess.run([volume["python"], "-c", fill], check=False, capture_output=True, text=True)
    seen = run_module("build_host_info", places={"store": str(small_disk), "elsewhere": "/"})["host"]
    assert seen["full"] == [str(small_disk)]
    # Not one block is left.
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb") as stream:
        while True:
            stream.write(b"x" * 4096)
            stream.flush()
    run_module("local_volume", store=small_disk, name=name, state="absent", evict=True)
    assert list(small_disk.glob("volumes/*")) == []


def test_a_file_system_that_stopped_is_mounted_again(store: Path, name: str, mount_dir: Path) -> None:
    asked: dict[str, Any] = {"store": store, "name": name, "size_gb": 1, "state": "mounted", "mount_dir": mount_dir}
    run_module("local_volume", **asked)
    (mount_dir / "file").write_text("kept")
    os.sync()
    directory = os.open(mount_dir, os.O_RDONLY)
    try:
        fcntl.ioctl(directory, EXT4_IOC_SHUTDOWN, struct.pack("I", 2))
    finally:
        os.close(directory)
    with pytest.raises(OSError, match=r"."):
        (mount_dir / "new").touch()
    assert run_module("local_volume", **asked)["actions"] == [f"unmount {mount_dir}", f"mount at {mount_dir}"]
    assert (mount_dir / "file").read_text() == "kept"


def test_after_a_reboot_only_the_files_are_left(store: Path, name: str, mount_dir: Path) -> None:
    """What a reboot does, as far as one process can: mounts and the tmpfs vanish without a word to anybody."""
    asked: dict[str, Any] = {
        "store": store, "name": name, "size_gb": 1, "state": "mounted", "mount_dir": mount_dir, "namespace": True,
    }  # fmt: skip
    volume = run_module("local_volume", **asked)["volume"]
    inside(volume, f"open({str(mount_dir / 'file')!r}, 'w').write('kept')")
    namespace = Path(volume["namespace"])
    subprocess.run(["umount", namespace], check=True)
    subprocess.run(["umount", namespace.parent], check=True)
    for _attempt in range(100):
        if not subprocess.run(["losetup", "-j", volume["image"]], capture_output=True, check=True).stdout:
            break
        time.sleep(0.05)
    again = run_module("local_volume", **asked)
    assert again["changed"]
    assert inside(again["volume"], f"print(open({str(mount_dir / 'file')!r}).read())").strip() == "kept"


def test_killed_while_it_works(store: Path, name: str, mount_dir: Path) -> None:
    asked: dict[str, Any] = {
        "store": store, "name": name, "size_gb": 4, "state": "mounted", "mount_dir": mount_dir, "namespace": True,
    }  # fmt: skip
    for step in range(4):
        process = start_module("local_volume", **asked)
        time.sleep(0.25 + step * 0.06)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert run_module("local_volume", **asked)["volume"]["mounted"]
        assert [path.name for path in store.glob("volumes/.*")] == []
        process = start_module("local_volume", store=store, name=name, state="absent")
        time.sleep(0.25 + step * 0.05)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        run_module("local_volume", store=store, name=name, state="absent")


def test_two_at_once_make_one_volume(store: Path, name: str) -> None:
    both = [start_module("local_volume", store=store, name=name, size_gb=1) for _copy in range(2)]
    results = [result_of(process) for process in both]
    assert sorted(result["changed"] for result in results) == [False, True]
    assert len({result["volume"]["id"] for result in results}) == 1


def test_bad_options(store: Path) -> None:
    for option in ({"name": "../x"}, {"size_gb": 0}, {"mount_dir": "/usr"}, {"label": "x" * 17}, {"store": "relative"}):
        arguments: dict[str, Any] = {"store": store, "name": "test-bad", "size_gb": 1, "state": "present", **option}
        assert "expected" in fail_module("local_volume", **arguments) or "Choose" in fail_module(
            "local_volume", **arguments
        )
    assert not store.exists()
