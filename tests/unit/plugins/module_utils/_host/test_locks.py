"""Locks that nobody else can hold: only their owner can open them, and every wait for one ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    Host,
    hold,
    store_directory,
    written_by_others,
)


def host() -> Host:
    return Host(lambda *_arguments, **_options: (0, "", ""))


def test_directory_and_file_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Also where an earlier release made them for all."""
    lock = tmp_path / "store" / "locks" / "volume-x.lock"
    lock.parent.mkdir(parents=True)
    lock.parent.chmod(0o755)
    lock.touch()
    lock.chmod(0o644)
    with host().lock(lock, "a test"):
        assert lock.stat().st_mode & 0o777 == 0o600
        assert lock.parent.stat().st_mode & 0o777 == 0o700
    assert lock.parent.parent.stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="somebody else's are made by root")
def test_another_user_cannot_hold_it(tmp_path: Path) -> None:
    """flock(2) asks for no more than permission to read: locks of 0644 in directories of 0755 were everybody's."""
    lock = tmp_path / "locks" / "x.lock"
    for parent in tmp_path.parents:
        if parent != Path("/") and parent.stat().st_uid == 0 and parent != Path("/tmp"):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    with host().lock(lock, "a test"):
        pass
    script = f"import fcntl, os; os.setuid(65534); fcntl.flock(os.open({str(lock)!r}, os.O_RDONLY), fcntl.LOCK_EX)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr
    foreign = tmp_path / "foreign.lock"
    foreign.touch()
    os.chown(foreign, 65534, 65534)
    with pytest.raises(PetalError, match=r"belongs to somebody else \(uid 65534\)"), host().lock(foreign, "a test"):
        pass


@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "fifo"])
def test_a_lock_is_a_plain_file(kind: str, tmp_path: Path) -> None:
    lock, victim = tmp_path / "x.lock", tmp_path / "victim"
    victim.write_text("precious")
    if kind == "directory":
        lock.mkdir()
    elif kind == "fifo":
        os.mkfifo(lock)
    else:
        lock.symlink_to(victim if kind == "link" else tmp_path / "new")
    with pytest.raises(PetalError, match="Remove it, and run again"), host().lock(lock, "a test"):
        pass
    assert victim.read_text() == "precious"
    assert not (tmp_path / "new").exists()


def test_a_draft_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".tmp-record.json").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        host().write_json(tmp_path / "record.json", {})
    assert victim.read_text() == "precious"


def test_every_wait_ends_and_says_for_what(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    with host().lock(lock, "a test"):
        said = rf"another: another process \({os.getpid()} .*\) has held {lock} for 0 s"
        with pytest.raises(PetalError, match=said), host().lock(lock, "another", patience=0):
            pass
        other = os.open(lock, os.O_RDONLY)
        try:
            with pytest.raises(PetalError, match=f"a third: another process has held {lock} for 0 s"):
                hold(other, lock, "a third", patience=0)
        finally:
            os.close(other)


def nobodys(path: Path) -> None:
    path.mkdir(exist_ok=True)
    os.chown(path, 65534, 65534)


def of_a_group(path: Path) -> None:
    os.chown(path, 0, 65534)
    path.chmod(0o775)


def sticky_with_nobodys(path: Path) -> None:
    path.chmod(0o1777)
    nobodys(path / "snapshots")


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    os.lchown(path, 65534, 65534)


@pytest.mark.skipif(os.geteuid() != 0, reason="somebody else's are made by root")
@pytest.mark.parametrize(
    ("attack", "says"),
    [
        (lambda store: store.chmod(0o777), "everybody can write"),
        (lambda store: store.parent.chmod(0o777), "everybody can write"),
        (lambda store: (store / "volumes").chmod(0o777), "everybody can write"),
        (of_a_group, "the group with the gid 65534 can write"),
        (nobodys, "belongs to nobody"),
        (linked, "belongs to nobody"),
        (sticky_with_nobodys, "snapshots belongs to nobody"),
        (lambda store: store.chmod(0o1777), ""),
        (lambda store: store.chmod(0o755), ""),
        (lambda store: store.rename(store.with_name("gone")), ""),
    ],
)
def test_the_own_store_is_nobody_elses(attack: Callable[[Path], object], says: str, tmp_path: Path) -> None:
    store = tmp_path / "above" / "store"
    (store / "volumes").mkdir(parents=True)
    attack(store)
    if says:
        with pytest.raises(PetalError, match=f"is not trusted: .*{says}"):
            store_directory(str(store))
    else:
        assert store_directory(str(store)) == store


@pytest.mark.skipif(os.geteuid() != 0, reason="somebody else's are made by root")
def test_who_became_root_with_sudo_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(tmp_path, 65534, 65534)
    assert "belongs to nobody" in written_by_others(tmp_path)
    monkeypatch.setenv("SUDO_UID", "65534")
    assert written_by_others(tmp_path) == ""
