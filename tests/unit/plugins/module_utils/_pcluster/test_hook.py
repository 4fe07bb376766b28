"""What the node hook is told."""

from __future__ import annotations

from pcluster_samples import EVERYTHING_SEED, Sample

from ansible_collections.petal.hpc.plugins.module_utils._pcluster.hook import arguments


def test_arguments() -> None:
    seed, _snapshot, _settings = Sample("x", seed=EVERYTHING_SEED).parts()
    assert arguments(seed, ["lab-results"]) == [
        *("--user", "researcher1:5001:5001", "--user", "researcher2:5002:5001"),
        *("--s3-mount", "lab-data:/data/in:ro", "--s3-mount", "lab-results:/data/out:rw"),
    ]


def test_none() -> None:
    assert arguments(Sample("x").parts()[0]) == []
