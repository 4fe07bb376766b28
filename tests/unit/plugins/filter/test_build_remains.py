"""The door to what a failed build leaves in a store."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.build_remains import build_remains


def test_a_volume_that_was_kept() -> None:
    kept = {"volume": "build-1", "store": "/srv/petal", "kept": True}
    assert build_remains(kept) == "Kept: volume build-1 in /srv/petal; the same command goes on with it."


@pytest.mark.parametrize("wrong", ["build-1", {"volume": "build-1"}, {"volume": "v", "store": "/s", "keep": True}])
def test_anything_else_is_an_error(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="takes a mapping with volume, store, stuck, taken_over, kept, full"):
        build_remains(wrong)
