# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seed, snapshot and settings of a site → the configuration of a cluster for AWS ParallelCluster, as plain data.

Source of the keys: the AWS ParallelCluster user guide, configuration file version 3; tried with its 3.16.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import CLUSTER
from ansible_collections.petal.hpc.plugins.module_utils._pcluster import rules
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.merge import merge
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.settings import LoginPool, PclusterError, Settings
from ansible_collections.petal.hpc.plugins.module_utils._seed import nodes
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, Problem
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Compute, Queue, Seed, Storage
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot


@dataclass(frozen=True)
class Configuration:
    """config: what ParallelCluster reads. warnings: what is doubtful about it."""

    config: dict[str, Any]
    warnings: tuple[Problem, ...]


def configure(seed: Seed, snapshot: Snapshot | None, settings: Settings) -> Configuration:
    """The configuration with the site's own keys merged in, once it has passed the rules.

    Raises PclusterError with everything that is wrong.
    """
    # What is in the image is on no volume.
    snapshot = None if settings.image else snapshot
    config = draft(seed, snapshot, settings)
    problems = rules.check(rules.Case(config, seed, snapshot, settings))
    if any(problem.level == ERROR for problem in problems):
        # Warnings would hide what has to be mended.
        errors = [problem for problem in problems if problem.level == ERROR]
        raise PclusterError(errors, f"{seed.cluster.name}: AWS would not make this cluster, or not as it is meant")
    return Configuration(config, tuple(problems))


def draft(seed: Seed, snapshot: Snapshot | None, settings: Settings) -> dict[str, Any]:
    """The configuration before the rules have seen it. Raises PclusterError for a seed that has no cluster on AWS."""
    if seed.cluster.provider != "aws" or seed.compute is None:
        problem = _LOCAL if seed.cluster.provider != "aws" else _NO_CLUSTER
        raise PclusterError([problem], f"{seed.cluster.name}: no ParallelCluster configuration")
    merged: dict[str, Any] = merge(_render(seed, seed.compute, snapshot, settings), settings.overrides or {})
    if not seed.compute.queues and not rules.get(merged, "Scheduling", "SlurmQueues"):
        raise PclusterError([_NO_QUEUES], f"{seed.cluster.name}: no ParallelCluster configuration")
    return merged


_LOCAL = Problem(
    "cluster.provider",
    "a seed of provider local has no cluster on AWS: deploy_cluster takes it to the hosts of an inventory",
    hint="for AWS give the seed cluster.region, cluster.os and compute, then build its volume there",
)

_NO_CLUSTER = Problem(
    "compute",
    "the seed has no cluster, it is for a build alone",
    hint="to deploy it give it compute: head_node and queues; its fingerprint stays as it is",
)
_NO_QUEUES = Problem(
    "compute.queues",
    "the seed has no queue, and a cluster needs one",
    hint="give it compute.queues: [{name: compute, instance_types: [c5.4xlarge]}]; its fingerprint stays as it is",
)


def _render(seed: Seed, compute: Compute, snapshot: Snapshot | None, settings: Settings) -> dict[str, Any]:
    volumes = seed.shared_storage
    ami = settings.image.image_id if settings.image else compute.custom_ami
    if ami and snapshot is None and settings.volume is None:
        # The software is inside the image: an empty volume would hide it. What nobody knows has nothing for a hook.
        volumes = tuple(volume for volume in volumes if volume != seed.software_volume)
        settings = settings if settings.image else replace(settings, hook_url=None)
    return _given(
        {
            "Region": seed.cluster.region,
            "Image": _given({"Os": seed.cluster.os, "CustomAmi": ami}),
            "Tags": _tags(seed, snapshot, settings),
            "HeadNode": _head_node(seed, compute, settings),
            "LoginNodes": _given({"Pools": [_login_pool(pool, settings) for pool in settings.login_nodes]}),
            "Scheduling": {
                "Scheduler": "slurm",
                "SlurmQueues": [_queue(queue, seed, settings) for queue in compute.queues],
            },
            "SharedStorage": [_volume(entry, seed, snapshot, settings) for entry in volumes],
        }
    )


def _given(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not set: ParallelCluster has defaults, and no null."""
    return {key: value for key, value in mapping.items() if value not in (None, [], {}, ())}


def _tags(seed: Seed, snapshot: Snapshot | None, settings: Settings) -> list[dict[str, str]]:
    # Not petal:fingerprint: policies of builders may end and delete whatever bears it.
    tags = [{"Key": CLUSTER, "Value": seed.cluster.name}]
    if snapshot is not None and snapshot.fingerprint:
        tags.append({"Key": "petal:software", "Value": snapshot.fingerprint})
        tags.append({"Key": "petal:snapshot", "Value": snapshot.snapshot_id})
    if settings.image is not None:
        tags += [{"Key": "petal:software", "Value": settings.image.fingerprint}] if settings.image.fingerprint else []
        tags.append({"Key": "petal:image", "Value": settings.image.image_id})
    return tags


# -- nodes ------------------------------------------------------------------------------------------------------


def _head_node(seed: Seed, compute: Compute, settings: Settings) -> dict[str, Any]:
    return _given(
        {
            "InstanceType": compute.head_node,
            "Networking": _given(
                {
                    "SubnetId": settings.head_node_subnet_id,
                    "AdditionalSecurityGroups": list(settings.additional_security_group_ids),
                }
            ),
            "Ssh": _given({"KeyName": settings.key_name}),
            "CustomActions": _actions(settings, updated=True),
            "Iam": _given({"S3Access": _s3_access(seed, settings)}),
        }
    )


def _login_pool(pool: LoginPool, settings: Settings) -> dict[str, Any]:
    return _given(
        {
            "Name": pool.name,
            "InstanceType": pool.instance_type,
            "Networking": _given(
                {
                    "SubnetIds": [pool.subnet_id or settings.head_node_subnet_id],
                    "AdditionalSecurityGroups": list(settings.additional_security_group_ids),
                }
            ),
            "CustomActions": _actions(settings, updated=True),
            # ParallelCluster has no S3Access for login nodes.
            "Iam": _given({"AdditionalIamPolicies": [{"Policy": policy} for policy in pool.iam_policies]}),
        }
    ) | {"Count": pool.count}


def _queue(queue: Queue, seed: Seed, settings: Settings) -> dict[str, Any]:
    subnets = list(settings.compute_subnet_ids) or [settings.head_node_subnet_id]
    resources = nodes.resources(queue.name, queue.instance_types, queue.min_count, queue.max_count)
    efa = [one for one in resources if _has_efa(one, queue, settings)]
    everywhere = len(efa) == len(resources)
    return _given(
        {
            "Name": queue.name,
            "CapacityType": "SPOT" if queue.spot else "ONDEMAND",
            # Cheapest-first, the default, takes what is interrupted soonest.
            "AllocationStrategy": "price-capacity-optimized" if queue.spot and len(queue.instance_types) > 1 else None,
            "Networking": _given(
                {
                    # EFA does not reach into another zone.
                    "SubnetIds": subnets[:1] if efa else subnets,
                    "AdditionalSecurityGroups": list(settings.additional_security_group_ids),
                    "PlacementGroup": dict(_TOGETHER) if everywhere else None,
                }
            ),
            "ComputeResources": [_resource(one, one in efa, one in efa and not everywhere) for one in resources],
            "CustomActions": _actions(settings, updated=False),
            "Iam": _given({"S3Access": _s3_access(seed, settings)}),
        }
    )


_TOGETHER = {"Enabled": True}


def _resource(resource: nodes.Resource, efa: bool, together: bool) -> dict[str, Any]:
    return _given(
        {
            "Name": resource.name,
            "Instances": [{"InstanceType": name} for name in resource.instance_types],
            "MinCount": resource.min_count,
            "MaxCount": resource.max_count,
            "Efa": {"Enabled": True} if efa else None,
            "Networking": {"PlacementGroup": dict(_TOGETHER)} if together else None,
        }
    )


def _has_efa(resource: nodes.Resource, queue: Queue, settings: Settings) -> bool:
    if settings.efa_queues is not None:
        return queue.name in settings.efa_queues
    return resource.rented_for_network


def _actions(settings: Settings, updated: bool) -> dict[str, Any]:
    """The node hook, after the node's own configuration: only then the volume is mounted.

    ParallelCluster refuses to update OnNodeConfigured of a head node and would drain queues for theirs, so address
    and arguments stay the same; what changes is in the script. OnNodeUpdated may change, and runs it again.
    """
    if not settings.hook_url:
        return {}
    actions: dict[str, Any] = {"OnNodeConfigured": {"Script": settings.hook_url}}
    if updated:
        revision = {"Args": [settings.hook_revision]} if settings.hook_revision else {}
        actions["OnNodeUpdated"] = {"Script": settings.hook_url, **revision}
    return actions


def _s3_access(seed: Seed, settings: Settings) -> list[dict[str, Any]]:
    access: dict[str, dict[str, Any]] = {}
    for mount in seed.data.s3_mounts if settings.hook_url else ():
        write = mount.bucket in settings.s3_writable_buckets
        access[mount.bucket] = {"BucketName": mount.bucket, "EnableWriteAccess": write}
    if settings.hook_url and settings.hook_url.startswith("s3://"):
        bucket, key = settings.hook_url[len("s3://") :].split("/", 1)
        access.setdefault(bucket, {"BucketName": bucket, "KeyName": key, "EnableWriteAccess": False})
    return list(access.values())


# -- storage ----------------------------------------------------------------------------------------------------


def _volume(entry: Storage, seed: Seed, snapshot: Snapshot | None, settings: Settings) -> dict[str, Any]:
    software = entry == seed.software_volume
    place = {"Name": entry.name, "MountDir": entry.mount_dir, "StorageType": entry.storage_type}
    if software and settings.volume is not None and settings.volume.volume_id:
        return {**place, "EbsSettings": {"VolumeId": settings.volume.volume_id}}
    ebs = entry.ebs_settings
    size = max(ebs.size, rules.LEAST_GP3 if ebs.volume_type == "gp3" else 1)
    if software and snapshot is not None:
        size = max(size, snapshot.size_gb)
    return {
        **place,
        "EbsSettings": _given(
            {
                "VolumeType": ebs.volume_type,
                "Size": size,
                "Iops": ebs.iops,
                "Throughput": ebs.throughput,
                "KmsKeyId": ebs.kms_key_id,
                "SnapshotId": snapshot.snapshot_id if software and snapshot is not None else None,
                # The software is in its snapshot; other volumes hold what people made.
                "DeletionPolicy": "Delete" if software else settings.data_deletion_policy,
            }
        )
        | {"Encrypted": ebs.encrypted},
    }
