# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which commit a name means, and what an error of Git's says."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._git import model
from ansible_collections.petal.hpc.plugins.module_utils._git.model import GitError, Wanted
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import is_pinned

ONE, TWO, THREE = ("1" * 40, "2" * 40, "3" * 40)


def wanted(**more: str) -> Wanted:
    return Wanted(**{"title": "Spack", "url": "https://git.example.org/spack.git", "ref": "v1.2.0", **more})


def test_a_name_that_somebody_looked_up_is_fetched_by_its_commit() -> None:
    assert wanted().fetch == "v1.2.0"
    assert wanted(known=ONE).fetch == ONE
    assert wanted(known=ONE, commit=TWO).fetch == TWO


def test_what_a_checkout_of_an_earlier_release_noted_fits_too() -> None:
    assert wanted(known=ONE).noted == (ONE, "v1.2.0")
    assert wanted(ref="develop", commit=TWO).noted == (TWO,)
    assert not wanted(known=ONE, commit=TWO).published


@pytest.mark.parametrize(("ref", "pinned"), [(ONE, True), ("v1.2.0", True), ("develop", False), ("1" * 39, False)])
def test_commits_and_tags_of_releases_are_not_asked_for_again(ref: str, pinned: bool) -> None:
    assert is_pinned(ref) is pinned


@pytest.mark.parametrize("ref", ["--upload-pack=x", "", "a b", "-x", "a\nb", "../x"])
def test_what_is_no_reference_is_refused(ref: str) -> None:
    with pytest.raises(GitError, match="is no reference of Spack"):
        wanted(ref=ref)


def test_a_tag_counts_before_a_branch_and_is_the_commit_behind_it() -> None:
    branch, tag, peeled = (f"{ONE}\trefs/heads/x\n", f"{TWO}\trefs/tags/x\n", f"{THREE}\trefs/tags/x^{{}}\n")
    assert model.standing(branch, "x") == ("refs/heads/x", ONE)
    assert model.standing(branch + tag, "x") == ("refs/tags/x", TWO)
    assert model.standing(branch + tag + peeled, "x") == ("refs/tags/x", THREE)
    # Git gives what ends like the pattern, too.
    assert model.standing(f"{ONE}\trefs/heads/refs/heads/x\n", "x") is None
    assert model.standing("", "x") is None


def test_the_reason_is_the_first_error_without_credentials() -> None:
    said = "warning: redirecting\nfatal: could not read https://me:pw@git.example.org/x.\nerror: later\n"
    assert model.reason(said) == "could not read https://git.example.org/x"
    assert model.reason("error: Server does not allow request") == "Server does not allow request"
    # With --exit-code, git ls-remote says nothing at all then.
    assert model.reason("") == model.reason("a fatal: elsewhere") == "no such name there"
    assert len(model.reason("fatal: " + "word " * 300)) <= 300


def test_a_message_says_what_where_and_what_to_do() -> None:
    asked = wanted(known=ONE, advice="Set spack_git_url.", advice_moved="Name its commit.")
    assert str(asked.not_found("")) == (
        "Could not find v1.2.0 of Spack at https://git.example.org/spack.git (no such name there). Set spack_git_url."
    )
    assert str(asked.not_fetched("fatal: no route", "node1")) == (
        "Could not fetch Spack at v1.2.0 from https://git.example.org/spack.git on node1 (no route). Set spack_git_url."
    )
    assert f"is commit {ONE}, as it was published, and /srv has {TWO} under that name" in str(asked.moved("/srv", TWO))
    assert str(asked.moved("/srv", TWO)).endswith("Name its commit.")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://git.example.org/x.git", True),
        ("git@git.example.org:x.git", True),
        ("file:///srv/x.git", False),
        ("/srv/me@home:x", False),
        ("/srv/x.git", False),
    ],
)
def test_what_comes_over_a_network_may_be_kept(url: str, kept: bool) -> None:
    assert wanted(url=url, commit=ONE).may_be_kept is kept
    assert not wanted(url=url).may_be_kept
