"""Plans that are written: once, through no link, and not at all where something is in the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._layout import api

PLAN: dict[str, Any] = {
    "etc/profile.d": {"directory": True},
    "etc/profile.d/petal.sh": {"content": "export A=ä\n"},
    "bin/hook": {"content": "#!/bin/sh\n", "mode": "0755"},
    "modules/tool/default": {"link": "1.0.lua"},
    "modules/tool/old": {"absent": True},
}
ME = (os.getuid(), os.getgid())


def everything(root: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, modification time and content of all that lies below a directory."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found[str(path.relative_to(root))] = (status.st_mode & 0o7777, status.st_mtime_ns, content)
    return found


def test_a_plan_is_written_once(tmp_path: Path) -> None:
    (tmp_path / "modules" / "tool").mkdir(parents=True)
    (tmp_path / "modules" / "tool" / "old").write_text("x")
    previous = os.umask(0o077)
    try:
        first = api.lay_out(tmp_path, PLAN, ME)
    finally:
        os.umask(previous)
    assert first["changed"]
    assert first["paths"] == list(PLAN)
    there = everything(tmp_path)
    assert {name: (mode, content) for name, (mode, _time, content) in there.items() if name in PLAN} == {
        "etc/profile.d": (0o755, ""),
        "etc/profile.d/petal.sh": (0o644, "export A=ä\n"),
        "bin/hook": (0o755, "#!/bin/sh\n"),
        "modules/tool/default": (0o777, "1.0.lua"),
    }
    # Directories on the way are made too, for all to read.
    assert there["bin"][0] == there["etc"][0] == 0o755
    assert api.lay_out(tmp_path, PLAN, ME) == {"changed": False, "paths": [], "diff": []}
    assert everything(tmp_path) == there


def test_what_is_written_once_is_somebody_elses_from_then_on(tmp_path: Path) -> None:
    layout = {"site/mirrors.yaml": {"content": "ours", "once": True}}
    assert api.lay_out(tmp_path, layout, ME)["changed"]
    (tmp_path / "site" / "mirrors.yaml").write_text("theirs")
    assert not api.lay_out(tmp_path, layout, ME)["changed"]
    assert (tmp_path / "site" / "mirrors.yaml").read_text() == "theirs"


def test_all_of_it_belongs_to_the_owner() -> None:
    assert api.owner_of("root") == (0, 0)
    with pytest.raises(PetalError, match="there is no user nobody-at-all on this host"):
        api.owner_of("nobody-at-all")


def test_what_differs_is_put_right_and_nothing_else(tmp_path: Path) -> None:
    api.lay_out(tmp_path, PLAN, ME)
    (tmp_path / "etc" / "profile.d" / "petal.sh").write_text("export A=a\n")
    (tmp_path / "bin" / "hook").chmod(0o600)
    (tmp_path / "modules" / "tool" / "default").unlink()
    (tmp_path / "modules" / "tool" / "default").write_text("a file")
    again = api.lay_out(tmp_path, PLAN, ME)
    assert again["paths"] == ["etc/profile.d/petal.sh", "bin/hook", "modules/tool/default"]
    assert (tmp_path / "bin" / "hook").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "modules" / "tool" / "default").readlink() == Path("1.0.lua")
    assert list(tmp_path.rglob(".tmp-*")) == []


def test_check_mode_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    looked = api.lay_out(tmp_path, PLAN, ME, check=True)
    assert everything(tmp_path) == {}
    assert looked == api.lay_out(tmp_path, PLAN, ME)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    looked = api.lay_out(tmp_path / "none", PLAN, ME, check=True)
    assert looked["paths"] == [path for path in PLAN if path != "modules/tool/old"]
    with pytest.raises(PetalError, match="none is no directory on this host"):
        api.lay_out(tmp_path / "none", PLAN, ME)
    (tmp_path / "file").write_text("")
    for check in (False, True):
        with pytest.raises(PetalError, match="file is no directory on this host"):
            api.lay_out(tmp_path / "file", PLAN, ME, check=check)


def test_a_file_is_replaced_and_never_written_into(tmp_path: Path) -> None:
    """Whoever has another name for it, or follows it, keeps what there was."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    root = tmp_path / "root"
    root.mkdir()
    os.link(victim, root / "linked")
    (root / "pointing").symlink_to(victim)
    api.lay_out(root, {"linked": {"content": "new"}, "pointing": {"content": "new", "mode": "0600"}}, ME)
    assert victim.read_text() == "precious"
    assert not (root / "pointing").is_symlink()
    assert [(root / name).read_text() for name in ("linked", "pointing")] == ["new", "new"]


def test_nothing_is_written_through_a_link_nor_anything_else_before_it(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (root / "etc").symlink_to(elsewhere)
    (root / "bin").mkdir()
    (root / "bin" / "hook").mkdir()
    os.mkfifo(root / "pipe")
    with pytest.raises(PetalError) as caught:
        api.lay_out(root, {**PLAN, "pipe": {"content": ""}, "etc": {"directory": True}}, ME)
    assert str(caught.value).splitlines() == [
        f"Nothing was written below {root}:",
        "'etc': there is a link, and the plan has a directory there. Remove it, and run again.",
        "'etc/profile.d': etc is a link, or no directory, and nothing is written through it",
        "'etc/profile.d/petal.sh': etc is a link, or no directory, and nothing is written through it",
        "'bin/hook': there is a directory, and the plan has a file there. Remove it, and run again.",
        "'pipe': there is neither a file nor a directory, and the plan has a file there. Remove it, and run again.",
    ]
    assert list(elsewhere.iterdir()) == []
    assert not (root / "modules").exists()


def test_what_the_disk_does_not_take_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any, **_named: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(PetalError, match=f"writing below {tmp_path}: the disk is full"):
        api.lay_out(tmp_path, {"file": {"content": "text"}}, ME)
    assert list(tmp_path.iterdir()) == []
