# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's own recipes are in the fingerprint."""

from __future__ import annotations

import base64
import hashlib

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.recipe_repositories import recipe_repositories
from ansible_collections.petal.hpc.plugins.filter.recipes_digest import recipes_digest
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._spack.recipes import digest, found_in

ONE, TWO = "1" * 64, "2" * 64


def file(path: str, checksum: str) -> dict[str, str]:
    return {"path": path, "checksum": checksum}


FILES = [file("/r/repo.yaml", TWO), file("/r/packages/x/package.py", ONE)]


def test_the_digest_that_earlier_releases_took() -> None:
    """A change of it is a change of fingerprints."""
    text = f"{ONE}  packages/x/package.py\n{TWO}  repo.yaml"
    assert digest(FILES, "/r") == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert digest(FILES, "/r") == "sha256:ad91a4ae99fad7ca980495f58f5722595eb2efad01985ccd7db00c84aadc615b"


def test_neither_place_nor_order_counts() -> None:
    elsewhere = [file(one["path"].replace("/r/", "/srv/recipes/"), one["checksum"]) for one in reversed(FILES)]
    assert digest(elsewhere, "/srv/recipes/") == digest(FILES, "/r")


def test_names_and_contents_count() -> None:
    assert digest([file("/r/repo.yml", TWO), FILES[1]], "/r") != digest(FILES, "/r")
    assert digest([file("/r/repo.yaml", ONE), FILES[1]], "/r") != digest(FILES, "/r")


def test_equal_files_stand_by_their_names_whatever_their_capitals() -> None:
    same = [file("/r/b", ONE), file("/r/A", ONE), file("/r/C", ONE)]
    text = f"{ONE}  A\n{ONE}  b\n{ONE}  C"
    assert digest(same, "/r") == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_what_git_and_python_put_beside_them_does_not_count() -> None:
    beside = [file("/r/.git/HEAD", ONE), file("/r/packages/x/__pycache__/package.pyc", ONE)]
    assert digest([*FILES, *beside], "/r") == digest(FILES, "/r")
    assert digest([*FILES, file("/r/.gitignore", ONE)], "/r") != digest(FILES, "/r")


def test_the_filter_takes_what_find_returns() -> None:
    assert recipes_digest([{**one, "mode": "0644"} for one in FILES], "/r") == digest(FILES, "/r")
    with pytest.raises(AnsibleFilterError, match="takes files with path and checksum: 'checksum'"):
        recipes_digest([{"path": "/r/x"}], "/r")


LAB = "repo:\n  namespace: lab\n  api: v2.0\n"


def test_repositories_are_found_where_spack_wants_them() -> None:
    texts = {
        "/w/b/spack_repo/two/repo.yaml": "repo: {namespace: 'two', api: v2.0}",
        "/w/b/src/spack_repo/three/repo.yaml": 'repo: {api: v2.0, namespace: "three"}',
        "/w/b/docs/examples/repo.yaml": "repo: {namespace: none}",
        "/w/a/repo.yaml": LAB,
    }
    assert found_in(["/w/b", "/w/a"], texts) == {
        "two": "/w/b/spack_repo/two",
        "three": "/w/b/src/spack_repo/three",
        "lab": "/w/a",
    }


def test_no_name_is_taken_twice() -> None:
    texts = {"/w/a/repo.yaml": LAB, "/w/b/repo.yaml": LAB}
    with pytest.raises(PetalError, match="two repositories of recipes have the namespace lab"):
        found_in(["/w/a", "/w/b"], texts)
    with pytest.raises(PetalError, match="two repositories of recipes have the namespace lab"):
        found_in(["/w/a"], texts, ["lab"])
    with pytest.raises(PetalError, match="has no repository of Spack's recipes"):
        found_in(["/w/c"], texts)


def test_the_filter_takes_what_slurp_returns() -> None:
    marks = [{"source": "/w/a/repo.yaml", "content": base64.b64encode(LAB.encode()).decode()}]
    assert recipe_repositories(marks, ["/w/a"]) == {"lab": "/w/a"}
    with pytest.raises(AnsibleFilterError, match="takes results of slurp"):
        recipe_repositories([{"source": "/w/a"}], ["/w/a"])
    with pytest.raises(AnsibleFilterError, match="has no repository"):
        recipe_repositories([], ["/w/a"])
