"""Seeds for tests."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import Problem, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host

HOST = Host("debian12", "x86_64")

#: Every key that there is; those that come in a later release with nothing in them.
FULL: dict[str, Any] = {
    "schema": 1,
    "cluster": {
        "name": "bio-cluster",
        "region": "us-east-1",
        "provider": "aws",
        "os": "alinux2023",
        "architecture": "x86_64",
    },
    "compute": {
        "head_node": "t3.xlarge",
        "custom_ami": "ami-0123456789abcdef0",
        "queues": [
            {"name": "compute", "instance_types": ["c5.4xlarge"], "min_count": 0, "max_count": 10, "spot": False}
        ],
    },
    "shared_storage": [
        {
            "name": "software",
            "storage_type": "Ebs",
            "mount_dir": "/shared",
            "ebs_settings": {
                "volume_type": "gp3",
                "size": 500,
                "iops": 3000,
                "throughput": 125,
                "encrypted": True,
                "kms_key_id": "alias/x",
            },
        }
    ],
    "software": {
        "spack_packages": ["gcc@11.3.0", "openmpi@4.1.4", "samtools@1.17 ^htslib+libcurl", "hdf5@1.14 +mpi api=v18"],
        "stacks": [],
        "spack": {
            "version": "v1.1.0",
            "packages": "v2025.11.0",
            "target": "x86_64_v3",
            "padded_length": 128,
            "config": {},
            "repos": [],
        },
        "compiler": "gcc@11.3.0",
        "build_from_source": ["lab-pipeline@develop"],
        "in_ami": [],
        "use_custom_ami": False,
        "build_parallel": True,
        "binary_cache": {"s3_bucket": "lab-spack-cache", "s3_prefix": "bio", "s3_region": "us-east-1"},
        "containers": [],
        "python_environments": [
            {
                "name": "pyhpc",
                "version": "2026.1",
                "default": True,
                "python": "3.11",
                "packages": ["numpy==2.2.*", "scipy"],
                "as_of": "2026-11-01",
                "build": [],
            }
        ],
        "modules": [],
        "lmod": {"version": "8.7.37"},
        "build": {"instance_type": "c6a.4xlarge", "spot": True, "timeout": "12h"},
    },
    "users": [{"name": "researcher1", "uid": 5001, "gid": 5001}],
    "data": {"s3_mounts": [{"bucket": "lab-data", "mount_point": "/data"}]},
    "snapshot_sources": [
        {"type": "local", "priority": 1, "account": None, "enabled": True, "store": None},
        {"type": "organization", "priority": 2, "account": "123456789012", "enabled": True, "store": None},
        {"type": "official", "priority": 3, "account": None, "enabled": True, "store": None},
        {"type": "community", "priority": 4, "account": None, "enabled": False, "store": None},
    ],
    "registry": {
        "use_public_snapshots": True,
        "trusted_accounts": ["999888777666"],
        "url": "https://example.org/registry/",
    },
    "tier": "auto",
}

LOCAL: dict[str, Any] = {"cluster": {"name": "x"}, "software": {"spack_packages": ["zlib"]}}

DELETE = object()


def changed(base: dict[str, Any], *path_and_value: Any) -> dict[str, Any]:
    """A copy of a seed with one value set, or removed (DELETE). Missing mappings on the way are made."""
    *path, last, value = path_and_value
    result = copy.deepcopy(base)
    place: Any = result
    for part in path:
        place = place[part] if isinstance(part, int) else place.setdefault(part, {})
    if value is DELETE:
        del place[last]
    else:
        place[last] = value
    return result


def seed(data: Any, host: Host = HOST) -> Seed:
    return Seed.from_mapping(data, host)


def problems(data: Any, host: Host = HOST) -> list[Problem]:
    """What is wrong with a seed; empty for a good one."""
    try:
        Seed.from_mapping(data, host)
    except SeedError as error:
        return error.problems
    return []


def faults(data: Any, host: Host = HOST) -> dict[str, str]:
    """Path and message of everything that is wrong."""
    return {problem.path: problem.message for problem in problems(data, host)}
