"""petal.hpc.tier_in_words: the door."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.tier_in_words import FilterModule

in_words = FilterModule().filters()["tier_in_words"]


def test_what_comes_out() -> None:
    assert in_words("ami") == "ami: in the image of the nodes, which petal.hpc.build_ami makes"


def test_what_is_no_tier() -> None:
    with pytest.raises(AnsibleFilterError, match="takes one of auto, volume"):
        in_words("cloud")
