"""Nothing in an image leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._containers import rootfs_api
from ansible_collections.petal.hpc.plugins.module_utils._containers.rootfs_api import Rootfs, RootfsError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("the host's")
    inside = tmp_path / "root"
    (inside / "usr" / "lib").mkdir(parents=True)
    (inside / "usr" / "lib" / "os-release").write_text("ID=x")
    (inside / "etc").mkdir()
    (inside / "lib").symlink_to("usr/lib")
    return inside


def test_links_are_taken_as_the_image_means_them(root: Path) -> None:
    (root / "etc" / "relative").symlink_to("../usr/lib/os-release")
    (root / "etc" / "absolute").symlink_to("/lib/os-release")
    (root / "etc" / "above").symlink_to("../../../../usr/lib/os-release")
    for name in ("relative", "absolute", "above"):
        assert Rootfs(root).read(f"/etc/{name}", 10) == b"ID=x", name
    assert Rootfs(root).names("/lib") == ["os-release"]


def test_no_link_leads_out(root: Path, tmp_path: Path) -> None:
    (root / "etc" / "a").symlink_to(tmp_path / "secret")
    (root / "etc" / "b").symlink_to("../../secret")
    (root / "etc" / "c").symlink_to(tmp_path)
    found = [Rootfs(root).read(f"etc/{name}", 100) for name in ("a", "b", "c/secret", "../../secret")]
    assert found == [None] * 4
    assert Rootfs(root).names("etc/c") == []


def test_what_is_no_file_or_is_too_large_is_said(root: Path) -> None:
    os.mkfifo(root / "etc" / "fifo")
    (root / "etc" / "large").write_bytes(b"x" * 11)
    (root / "etc" / "loop").symlink_to("loop")
    for name, why in (("fifo", "no file"), ("large", "more than"), ("loop", "symbolic"), ("", "no file")):
        with pytest.raises(RootfsError, match=why):
            Rootfs(root).read(f"/etc/{name}", 10)


def test_a_walk_follows_no_link(root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path)
    (root / "usr" / "bad\udcff").mkdir()
    failed: list[str] = []
    assert [where for where, _directories, _files in Rootfs(root).walk(failed.append)] == [
        "",
        "etc",
        "usr",
        "usr/bad\udcff",
        "usr/lib",
    ]
    assert failed == []


def test_there_has_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(RootfsError, match="no directory"):
        Rootfs(tmp_path / "none")


def test_files_of_holes_do_not_take_for_ever(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootfs_api, "READ_LIMIT", 25)
    (root / "large").write_bytes(b"x" * 10)
    image = Rootfs(root)
    assert [image.read("large", 10) for _number in range(2)] == [b"x" * 10] * 2
    with pytest.raises(RootfsError, match="was not read"):
        image.read("large", 10)
    assert image.read("etc/none", 10) is None
