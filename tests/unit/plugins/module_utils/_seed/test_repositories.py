"""A site's own recipes in a seed: where they may come from, and what of them counts."""

from __future__ import annotations

from typing import Any

import pytest
from seed_samples import LOCAL, changed, faults, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint, inputs

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIT = "https://git.example.org/lab/recipes.git"


def repos(*entries: Any) -> dict[str, Any]:
    return changed(LOCAL, "software", "spack", "repos", list(entries))


@pytest.mark.parametrize(
    "url",
    [GIT, "ssh://git@git.example.org:2222/lab/recipes.git", "git@git.example.org:lab/recipes.git", "file:///srv/git/a"],
)
def test_addresses(url: str) -> None:
    assert faults(repos({"git": url, "ref": COMMIT})) == {}


@pytest.mark.parametrize(
    ("entry", "place", "said"),
    [
        ({}, "", "it is one of both"),
        ({"path": "a", "git": GIT, "ref": COMMIT}, "", "it is one of both"),
        ({"git": GIT}, ".ref", "it is missing"),
        ({"path": "a", "ref": COMMIT}, ".ref", "taken as it is"),
        ({"path": "/srv/recipes"}, ".path", "absolute"),
        ({"path": "../recipes"}, ".path", "'..'"),
        ({"path": "."}, ".path", "'.'"),
        ({"git": "https://me:secret@example.org/a", "ref": COMMIT}, ".git", "may not hold a user name or password"),
        ({"git": "ext::sh -c id", "ref": COMMIT}, ".git", "address"),
        ({"git": "--upload-pack=id", "ref": COMMIT}, ".git", "address"),
        ({"git": "file:///srv/../etc", "ref": COMMIT}, ".git", "address"),
        ({"git": GIT, "ref": "-x"}, ".ref", "no Git branch"),
        ({"url": GIT}, ".url", "unknown"),
    ],
)
def test_what_is_no_place_is_refused(entry: dict[str, Any], place: str, said: str) -> None:
    found = faults(repos(entry))
    assert said in found[f"software.spack.repos[0]{place}"]


def test_the_same_twice() -> None:
    assert faults(repos({"path": "a"}, {"path": "a"})) == {
        "software.spack.repos[1]": "the same repository is there twice"
    }


def test_they_count_by_what_they_hold_and_in_their_order() -> None:
    def digest(*entries: dict[str, str], **files: str) -> str:
        valid = seed(repos(*entries))
        return fingerprint.fingerprint(valid, {f"{GIT}@main": COMMIT}, inputs.resolve({}, valid, files))

    a, b = {"path": "a"}, {"path": "b"}
    assert digest(a, a="sha256:1") == digest(b, b="sha256:1") != digest(a, a="sha256:2")
    assert digest(a, b, a="sha256:1", b="sha256:2") != digest(b, a, a="sha256:1", b="sha256:2")
    # A branch is the commit at which it stands, wherever the repository is.
    pinned = digest({"git": "file:///srv/mirror", "ref": COMMIT})
    assert digest({"git": GIT, "ref": "main"}) == pinned != fingerprint.fingerprint(seed(LOCAL))
    assert fingerprint.older(seed(repos(a))) == []


def test_what_has_to_be_looked_up() -> None:
    valid = seed(repos({"path": "a"}, {"git": GIT, "ref": "v1.0"}, {"git": GIT, "ref": COMMIT}))
    assert fingerprint.unresolved(valid) == [f"{GIT}@v1.0", "a"]
    known = inputs.resolve({}, valid, {"a": "sha256:1"})
    assert fingerprint.unresolved(valid, {f"{GIT}@v1.0": COMMIT}, known) == []
