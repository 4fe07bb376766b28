# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes over a network comes once for a host, and a secret is there when Git talks to a server."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from git_repository import git

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._git import api, model
from ansible_collections.petal.hpc.plugins.module_utils._git.api import Git, provided
from ansible_collections.petal.hpc.plugins.module_utils._git.model import GitError, Wanted
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host


class Calls:
    """Runs commands, and knows them and which had a secret in their environment."""

    def __init__(self) -> None:
        self.all: list[list[str]] = []
        self.with_secret: list[list[str]] = []

    def __call__(self, args: list[str], **options: Any) -> tuple[int, str, str]:
        self.all.append(args)
        if "SECRET" in os.environ:
            self.with_secret.append(args)
        environment = {**os.environ, **options.get("environ_update", {}), "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(args, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr


@dataclass(frozen=True)
class Case:
    """A repository with two commits, a place for the first of them, and a repository of the host's own."""

    upstream: Path
    place: Path
    kept: Path
    first: str
    second: str

    def elsewhere(self) -> Case:
        return replace(self, place=self.place.with_name("other"))

    def get(self, calls: Calls | None = None, keep: bool = True, **more: Any) -> dict[str, Any]:
        wanted = Wanted("Spack", more.pop("url", self.upstream.as_uri()), more.pop("ref", self.first), **more)
        kept = self.kept if keep else None
        seen = {"SEEN": "y", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader"}
        git_ = Git(Host(calls or Calls()), wanted, "", seen, {"SECRET": "x", "GIT_CONFIG_VALUE_0": "x: y"}, kept)
        return provided(git_, wanted, "checked_out", str(self.place), check=False)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """The repository counts as one over a network."""
    monkeypatch.setattr(model, "_SCHEMES", ("file://",))
    upstream, commits = tmp_path / "upstream", []
    upstream.mkdir()
    git(upstream, "init", "--quiet", "--initial-branch=main")
    for text in ("first", "second"):
        (upstream / "file").write_text(text)
        git(upstream, "add", "file")
        git(upstream, "commit", "--quiet", f"--message={text}")
        commits.append(git(upstream, "rev-parse", "HEAD"))
    return Case(upstream, tmp_path / "volume", tmp_path / "own" / "git" / "spack.git", *commits)


def test_a_secret_is_there_when_git_talks_to_a_server_and_at_no_other_time(case: Case) -> None:
    calls = Calls()
    case.get(calls, keep=False)
    assert [next(word for word in call if word in ("fetch", "ls-remote")) for call in calls.with_secret] == ["fetch"]
    assert not {"SECRET", "SEEN", "GIT_TERMINAL_PROMPT", "GIT_CONFIG_COUNT"} & set(os.environ)


def test_what_is_there_is_left_as_it_is_and_nobody_is_asked(case: Case) -> None:
    case.get()
    calls = Calls()
    assert not case.get(calls)["changed"]
    assert {call[3] for call in calls.all} == {"config", "rev-parse"}


def test_a_checkout_that_was_broken_off_is_made_whole(case: Case) -> None:
    case.get()
    git(case.place, "config", "--local", "--unset", api.NOTE)
    (case.place / "file").write_text("half")
    case.get()
    assert (case.place / "file").read_text() == "first"


def test_a_server_that_knows_the_tag_alone(case: Case) -> None:
    git(case.upstream, "tag", "v1", case.first)
    git(case.upstream, "config", "uploadpack.allowAnySHA1InWant", "false")
    git(case.upstream, "config", "protocol.version", "0")
    assert case.get(keep=False, ref="v1", known=case.first)["commit"] == case.first


def test_git_that_fails_for_itself_is_an_error(case: Case) -> None:
    case.place.write_text("no directory")
    with pytest.raises(PetalError, match="init"):
        case.get()


def test_what_came_once_over_a_network_comes_from_the_host(case: Case) -> None:
    case.get()
    shutil.rmtree(case.upstream)
    other = case.elsewhere()
    assert other.get()["commit"] == case.first
    assert (other.place / "file").read_text() == "first"
    assert git(other.place, "rev-list", "--count", "HEAD") == "1"


def test_what_is_damaged_comes_anew(case: Case) -> None:
    case.get()
    for path in (case.kept / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    assert case.elsewhere().get()["commit"] == case.first


def test_where_the_network_has_it_not_either_it_says_so(case: Case) -> None:
    with pytest.raises(GitError, match="Could not fetch Spack at 0000"):
        case.get(ref="0" * 40)


def test_it_is_begun_anew_after_so_many(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST", 1)
    case.get()
    case.elsewhere().get(ref=case.second)
    assert git(case.kept, "for-each-ref", "--format=%(refname)") == f"refs/petal/{case.second}"


def test_what_is_no_commit_is_not_kept(case: Case) -> None:
    case.get(ref="main")
    assert not case.kept.exists()


def test_where_others_can_write_nothing_is_taken(case: Case) -> None:
    case.get()
    case.kept.chmod(0o777)
    shutil.rmtree(case.upstream)
    with pytest.raises(GitError, match="Could not fetch"):
        case.elsewhere().get()
