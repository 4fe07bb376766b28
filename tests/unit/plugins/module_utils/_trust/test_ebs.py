"""Signatures of EBS snapshots go through tags of 256 characters and come out as they were."""

from __future__ import annotations

import json

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import SIGNATURE
from ansible_collections.petal.hpc.plugins.module_utils._trust import ebs
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import BEGIN, END, TrustError


def signature(length: int, letter: str = "A") -> str:
    lines = [letter * 70] * (length // 70) + [letter * (length % 70)]
    return "\n".join([BEGIN, *filter(None, lines), END, ""])


def test_the_same_snapshot_is_the_same_bytes() -> None:
    asked = {
        "snapshot_id": "snap-0123456789abcdef0",
        "owner": "111122223333",
        "fingerprint": "sha256:" + "a" * 64,
        "documents": "sha256:" + "b" * 64,
    }
    said = ebs.statement(**asked)
    assert said == ebs.statement(**asked)
    assert json.loads(said) == {"schema": 1, **asked}
    assert len({ebs.statement(**{**asked, name: "x"}) for name in asked} | {said}) == 5


@pytest.mark.parametrize("lengths", [(), (228,), (348,), (256,), (512,), (228, 348), (348,) * 8])
def test_there_and_back(lengths: tuple[int, ...]) -> None:
    signatures = [signature(length, letter) for length, letter in zip(lengths, "ABCDEFGH")]
    tags = ebs.to_tags(signatures)
    assert all(0 < len(value) <= 256 for value in tags.values())
    assert ebs.from_tags({**tags, "petal:name": "bio"}) == signatures


def test_what_does_not_fit() -> None:
    for many in ([signature(228)] * 9, [signature(700)] * 8):
        with pytest.raises(TrustError, match="more than"):
            ebs.to_tags(many)


@pytest.mark.parametrize(
    "value", ["x", "A" * 20 + " ", "A" * 20 + "..", "{{ 1 }}", "A" * 20 + "\n", ".".join(["A" * 20] * 9)]
)
def test_what_is_no_signature(value: str) -> None:
    with pytest.raises(TrustError):
        ebs.from_tags({SIGNATURE: value})
