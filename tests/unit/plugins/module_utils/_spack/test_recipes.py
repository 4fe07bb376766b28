# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's own recipes are in the fingerprint."""

from __future__ import annotations

import hashlib

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.recipes_digest import recipes_digest
from ansible_collections.petal.hpc.plugins.module_utils._spack.recipes import digest

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
