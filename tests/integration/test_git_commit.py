# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One commit of a Git repository, by the module as on a host: looked up, mirrored, checked out."""

from __future__ import annotations

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
