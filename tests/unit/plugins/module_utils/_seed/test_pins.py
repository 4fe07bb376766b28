"""What tags and branches stood for, as tags of a snapshot."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import VALUE_LIMIT
from ansible_collections.petal.hpc.plugins.module_utils._seed import pins

COMMIT = "1" * 40
DIGEST = "sha256:" + "a" * 64


def test_what_is_written_is_read_again() -> None:
    refs = {"spack": COMMIT, "ghcr.io/lab/bio:v1": DIGEST, "https://example.org/recipes@main": "2" * 40}
    tags = pins.to_tags(refs)
    assert pins.from_tags(tags, refs) == refs
    assert pins.from_tags(tags, ["spack", "ghcr.io/lab/bio:v2"]) == {"spack": COMMIT}
    assert pins.to_tags(dict(reversed(refs.items()))) == tags


def test_no_name_and_no_token_becomes_a_tag() -> None:
    tags = pins.to_tags({"https://me:secret@git.example.org/recipes@main": COMMIT})
    assert list(tags) == ["petal:stood-for"]
    assert "example" not in str(tags) and "secret" not in str(tags)
    # Whoever reads it may have another login.
    assert pins.from_tags(tags, ["https://git.example.org/recipes@main"])


@pytest.mark.parametrize(("images", "tags"), [(0, 0), (1, 1), (3, 1), (4, 2), (48, 16), (49, 0)])
def test_what_does_not_fit_is_not_said_in_part(images: int, tags: int) -> None:
    refs = {f"ghcr.io/lab/image{number}:v1": f"sha256:{number:064x}" for number in range(images)}
    found = pins.to_tags(refs)
    assert len(found) == tags and all(len(value) <= VALUE_LIMIT for value in found.values())
    assert pins.from_tags(found, refs) == (refs if tags else {})


@pytest.mark.parametrize("value", ["develop", "", "sha256:abc", f"{COMMIT}0", f"md5:{COMMIT}"])
def test_what_is_neither_commit_nor_digest_is_not_said(value: str) -> None:
    assert pins.to_tags({"spack": value}) == {}


@pytest.mark.parametrize(
    "text", ["", "nothing", "a=b", f"{'0' * 12}={COMMIT[1:]}", f"{'0' * 12}={COMMIT}\n", "=" * 300]
)
def test_what_somebody_else_has_written_counts_for_nothing(text: str) -> None:
    assert pins.from_tags({"petal:stood-for": text}, ["spack"]) == {}
