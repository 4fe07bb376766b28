"""What a mirror directory says of images."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._containers import mirror
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

DIGEST, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32


def test_references_are_added_by_architecture() -> None:
    text = mirror.added({}, "r.io/a:1", "x86_64", DIGEST)
    text = mirror.added(mirror.read(text, "it"), "r.io/a:1", "arm64", OTHER)
    found = mirror.read(text, "it")
    assert (mirror.digest(found, "r.io/a:1", "x86_64"), mirror.digest(found, "r.io/a:1", "arm64")) == (DIGEST, OTHER)
    assert mirror.digest(found, "r.io/b:1", "arm64") == ""


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"x86_64": "../x"}}', '{"a": {"x86_64": 1}}'])
def test_what_says_nothing_of_images(text: str) -> None:
    with pytest.raises(PetalError, match="it does not say which images there are"):
        mirror.read(text, "it")
