"""What a site may say."""

from __future__ import annotations

from typing import Any

import pytest
from pcluster_samples import EVERYTHING_SETTINGS, SETTINGS, VOLUME

from ansible_collections.petal.hpc.plugins.module_utils._pcluster.settings import (
    SETTINGS as SHAPE,
)
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.settings import (
    LoginPool,
    PclusterError,
    Settings,
    Volume,
    snapshot_of,
)


def test_everything() -> None:
    settings = Settings.from_mapping({**SETTINGS, **EVERYTHING_SETTINGS, "volume": VOLUME})
    assert settings.login_nodes == (
        LoginPool("login", "t3.large", 2, None, ("arn:aws:iam::123456789012:policy/petal-login",)),
    )
    assert settings.volume == Volume("vol-0123456789abcdef0", "us-east-1a", 100)
    assert settings.compute_subnet_ids == ("subnet-0123456789abcdef1", "subnet-0123456789abcdef2")


def test_null_is_the_default() -> None:
    nothing = {name: None for name, key in SHAPE.keys.items() if key.null}
    least = {"head_node_subnet_id": "subnet-01234567"}
    assert Settings.from_mapping({**nothing, **least}) == Settings.from_mapping(least)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "nothing stands here"),
        ({}, "head_node_subnet_id: it is missing"),
        ({"head_node_subnet_id": "subnet-$(id)"}, "this is no subnet id"),
        ({**SETTINGS, "hook_url": "s3://bucket"}, "no such address"),
        ({**SETTINGS, "hook_url": "http://x/y"}, "no such address"),
        ({**SETTINGS, "hook_url": "https://x/y z"}, "no such address"),
        ({**SETTINGS, "hook_revision": "a b"}, "hook_revision"),
        ({**SETTINGS, "volume": {"volume_id": "v"}}, "this is no volume id"),
        ({**SETTINGS, "volume": {}}, "volume.volume_id: it is missing"),
        ({**SETTINGS, "overrides": ["x"]}, "a mapping with keys of ParallelCluster"),
        ({**SETTINGS, "login_nodes": [{"name": "Login", "instance_type": "t3.large"}]}, "login_nodes[0].name"),
        (
            {**SETTINGS, "login_nodes": [{"name": "l", "instance_type": "t3.large", "iam_policies": ["x"]}]},
            "no policy's",
        ),
        ({**SETTINGS, "data_deletion_policy": "Keep"}, "none of the known words"),
    ],
)
def test_wrong_ones(data: Any, says: str) -> None:
    with pytest.raises(PclusterError) as error:
        Settings.from_mapping(data)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ("snap-0123456789abcdef0", "it is no record"),
        ({"snapshot_id": "snap-1", "size_gb": 4}, "snapshot.snapshot_id"),
        ({"snapshot_id": "snap-0123456789abcdef0"}, "snapshot.size_gb"),
        ({"snapshot_id": "snap-0123456789abcdef0", "size_gb": True}, "snapshot.size_gb"),
    ],
)
def test_what_is_no_snapshot(record: Any, says: str) -> None:
    with pytest.raises(PclusterError) as error:
        snapshot_of(record)
    assert says in str(error.value)


def test_a_snapshot_named_by_hand_needs_no_more_than_id_and_size() -> None:
    snapshot = snapshot_of({"snapshot_id": "snap-0123456789abcdef0", "size_gb": 4, "unknown": 1})
    assert (snapshot.size_gb, snapshot.provider, snapshot.state) == (4, "aws", "completed")
