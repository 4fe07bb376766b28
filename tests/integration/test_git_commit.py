# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One commit of a Git repository, by the module as on a host: looked up, mirrored, checked out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from git_repository import git
from modules import result_of, run_module, start_module


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A repository of two commits, with a branch and a tag."""
    directory = tmp_path / "upstream"
    directory.mkdir()
    git(directory, "init", "--quiet", "--initial-branch=develop")
    for name in ("first", "second"):
        (directory / name).write_text(name)
        git(directory, "add", "--all")
        git(directory, "commit", "--quiet", f"--message={name}")
        if name == "first":
            git(directory, "tag", "--annotate", "--message=one", "v1.0")
    return directory


def module(upstream: Path, **arguments: Any) -> dict[str, Any]:
    return run_module("git_commit", url=upstream.as_uri(), **arguments)


def refused(upstream: Path, **arguments: Any) -> str:
    found = result_of(start_module("git_commit", url=upstream.as_uri(), **arguments))
    assert found["failed"], found
    return str(found["msg"])


def test_a_name_is_looked_up(upstream: Path) -> None:
    for ref in ("v1.0", "develop"):
        found = module(upstream, ref=ref, state="resolved")
        assert (found["commit"], found["changed"]) == (git(upstream, "rev-parse", f"{ref}^{{commit}}"), False)
    assert "Could not find other of" in refused(upstream, ref="other", state="resolved")


def test_a_release_is_checked_out_once(upstream: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    first = git(upstream, "rev-parse", "v1.0^{commit}")
    planned = module(upstream, ref="v1.0", path=str(place), _ansible_check_mode=True)
    assert (planned["changed"], planned["commit"], place.exists()) == (True, None, False)
    came = module(upstream, ref="v1.0", path=str(place))
    assert (came["changed"], came["commit"]) == (True, first)
    assert (sorted(path.name for path in place.iterdir()), git(place, "rev-list", "--count", "HEAD")) == (
        [".git", "first"],
        "1",
    )
    # What is there needs nobody.
    upstream.rename(tmp_path / "gone")
    again = module(upstream, ref="v1.0", path=str(place))
    assert (again["changed"], again["commit"]) == (False, first)


def test_a_branch_follows(upstream: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    assert module(upstream, ref="develop", path=str(place))["changed"]
    assert not module(upstream, ref="develop", path=str(place))["changed"]
    git(upstream, "commit", "--quiet", "--allow-empty", "--message=third")
    # A Git that was killed leaves this.
    (place / ".git/shallow.lock").touch()
    came = module(upstream, ref="develop", path=str(place))
    assert (came["changed"], came["commit"]) == (True, git(upstream, "rev-parse", "develop"))


@pytest.mark.parametrize("state", ["checked_out", "mirrored"])
def test_a_tag_that_was_moved_is_refused(upstream: Path, tmp_path: Path, state: str) -> None:
    published = "1" * 40
    said = refused(upstream, ref="v1.0", known=published, state=state, path=str(tmp_path / "place"), title="Spack")
    assert f"v1.0 of Spack is commit {published}, as it was published" in said
    assert git(upstream, "rev-parse", "v1.0^{commit}") in said


def test_a_mirror_has_what_was_asked_for_under_its_name(upstream: Path, tmp_path: Path) -> None:
    place = tmp_path / "mirror.git"
    commit = git(upstream, "rev-parse", "develop")
    names = {commit: f"refs/heads/petal/{commit}", "v1.0": "refs/tags/v1.0", "develop": "refs/heads/develop"}
    for ref, name in names.items():
        came = module(upstream, ref=ref, state="mirrored", path=str(place))
        assert came["changed"]
        assert git(place, "rev-parse", f"{name}^{{commit}}") == came["commit"]
        assert not module(upstream, ref=ref, state="mirrored", path=str(place))["changed"]
    # Whoever builds asks for a commit by its name.
    built = module(place, ref="v1.0", commit=git(place, "rev-parse", "v1.0^{commit}"), path=str(tmp_path / "built"))
    assert built["changed"]


def test_what_cannot_be_reached_is_one_error(tmp_path: Path) -> None:
    said = refused(tmp_path / "nowhere", ref="v1.0", path=str(tmp_path / "place"), advice="Set spack_git_url.")
    assert "Could not fetch the repository at v1.0 from file://" in said
    assert said.endswith("Set spack_git_url.")
    assert "\n" not in said


@pytest.fixture
def large(upstream: Path) -> Path:
    """The same with so many files that Git keeps them packed, a program and a link among them."""
    (upstream / "lib" / "deep").mkdir(parents=True)
    for number in range(150):
        (upstream / "lib" / "deep" / f"{number}.py").write_text(f"print({number})\n")
    (upstream / "lib" / "run").write_text("#!/bin/sh\n")
    (upstream / "lib" / "run").chmod(0o755)
    (upstream / "link").symlink_to("lib/run")
    git(upstream, "add", "--all")
    git(upstream, "commit", "--quiet", "--message=large")
    return upstream


def inodes(place: Path) -> dict[str, int]:
    return {str(path.relative_to(place)): path.lstat().st_ino for path in place.rglob("*") if ".git" not in path.parts}


def left_behind(large: Path, tmp_path: Path) -> tuple[Path, str, dict[str, int]]:
    """A checkout that somebody has changed, its commit, and the inodes of its files."""
    commit, former = git(large, "rev-parse", "HEAD"), tmp_path / "aside" / "former"
    module(large, ref=commit, path=str(former))
    known = inodes(former)
    (former / "first").write_text("frist")
    (former / "second").chmod(0o666)
    (former / "lib" / "deep" / "1.py").unlink()
    (former / "lib" / "deep" / "2.py").unlink()
    (former / "lib" / "deep" / "2.py").symlink_to(tmp_path / "elsewhere")
    (former / "lib" / "deep" / "__pycache__").mkdir()
    (former / "lib" / "deep" / "3.pyc").write_text("not in the commit")
    (tmp_path / "another-name").hardlink_to(former / "lib" / "deep" / "4.py")
    evil = f"touch {tmp_path}/evil"
    for name in ("post-checkout", "post-index-change", "fsmonitor"):
        hook = former / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\n{evil}\n")
        hook.chmod(0o755)
    with (former / ".git" / "config").open("a") as stream:
        stream.write(f'[core]\n\tfsmonitor = {former}/.git/hooks/fsmonitor\n[filter "x"]\n\tsmudge = {evil}\n')
    (former / ".git" / "info" / "attributes").write_text("* filter=x\n")
    return former, commit, known


#: Whatever is written anew may get the number of what was there.
CHANGED = {"first", "second", *(f"lib/deep/{number}.py" for number in (1, 2, 4))}


def test_what_a_former_checkout_has_of_it_stays_where_it_is_on_the_disk(large: Path, tmp_path: Path) -> None:
    former, commit, known = left_behind(large, tmp_path)
    place = tmp_path / "place"
    # Somebody who made this is not asked for the rest.
    (place / "lib").mkdir(parents=True)
    (place / "lib" / "own").write_text("mine")
    large.rename(tmp_path / "gone")
    came = module(large, ref=commit, path=str(place), former=str(former))
    assert (came["changed"], came["commit"]) == (True, commit)
    assert git(place, "status", "--porcelain", "--ignored") == "?? lib/own"
    git(place, "fsck", "--strict")
    now = inodes(place)
    assert set(now) == {*known, "lib/own"}
    assert {name for name, inode in known.items() if now[name] != inode} <= {*CHANGED, "lib"}
    assert (place / "second").stat().st_mode & 0o777 == 0o644
    assert not former.exists()
    assert not (tmp_path / "evil").exists()
    assert git(place, "config", "--local", "--get-regexp", "core.fsmonitor|filter.*|petal.ref") == f"petal.ref {commit}"
    assert not module(large, ref=commit, path=str(place), former=str(former))["changed"]


def test_what_is_packed_counts_only_where_it_is_whole_and_no_more(large: Path, tmp_path: Path) -> None:
    former, commit, known = left_behind(large, tmp_path)
    (pack,) = (former / ".git" / "objects" / "pack").glob("*.pack")
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    pack.chmod(0o444)
    place = tmp_path / "place"
    assert "Could not fetch" in refused(tmp_path / "nowhere", ref=commit, path=str(place), former=str(former))
    came = module(large, ref=commit, path=str(place), former=str(former))
    assert came["commit"] == commit
    assert {name for name, inode in known.items() if inodes(place)[name] != inode} <= CHANGED
    assert git(place, "status", "--porcelain", "--ignored") == ""
    assert len(list((place / ".git" / "objects" / "pack").glob("*.pack"))) == 1
    git(place, "fsck", "--strict")

    # Of another commit: its files stay, and nothing of it that only the former had.
    (large / "third").write_text("third")
    git(large, "rm", "--quiet", "lib/deep/5.py")
    git(large, "add", "--all")
    git(large, "commit", "--quiet", "--message=another")
    before, second = inodes(place), tmp_path / "second"
    came = module(large, ref=git(large, "rev-parse", "HEAD"), path=str(second), former=str(place))
    assert git(second, "rev-parse", "HEAD") == came["commit"]
    now = inodes(second)
    assert set(before) - set(now) == {"lib/deep/5.py"}
    assert {name for name in now if before.get(name) != now[name]} == {"third"}
    assert git(second, "cat-file", "-t", came["commit"]) == "commit"
    assert git(second, "count-objects", "-v").count("in-pack: 0") == 0
    with pytest.raises(subprocess.CalledProcessError):
        git(second, "cat-file", "-e", commit)


def test_what_git_writes_in_another_way_than_the_commit_has_it_is_written_anew(large: Path, tmp_path: Path) -> None:
    (large / ".gitattributes").write_text("*.bat text eol=crlf\n*.txt working-tree-encoding=UTF-16\n")
    (large / "start.bat").write_text("echo\n")
    (large / "odd\nname \u00fc").write_text("odd")
    git(large, "add", "--all")
    git(large, "commit", "--quiet", "--message=windows")
    commit, former, place = git(large, "rev-parse", "HEAD"), tmp_path / "former", tmp_path / "place"
    module(large, ref=commit, path=str(former))
    known = inodes(former)
    assert (former / "start.bat").read_bytes() == b"echo\r\n"
    (former / "start.bat").write_bytes(b"echo\n")
    # No memory has room for it.
    os.truncate(former / "first", 1 << 42)
    module(large, ref=commit, path=str(place), former=str(former))
    assert (place / "start.bat").read_bytes() == b"echo\r\n"
    assert git(place, "status", "--porcelain", "--ignored") == ""
    now = inodes(place)
    assert {name for name, inode in known.items() if now[name] != inode} <= {"start.bat", "first"}
