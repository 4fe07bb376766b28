# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration must mean, where ParallelCluster's schema lets more pass: one small function for each rule.

ParallelCluster finds some of these itself, but only with an account and in the middle of a create. A rule looks at the
whole configuration, with the site's own keys in it, and yields what it finds. RULES names each with its level.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._pcluster.settings import Settings
from ansible_collections.petal.hpc.plugins.module_utils._seed import instances, nodes
from ansible_collections.petal.hpc.plugins.module_utils._seed.drafts import DEFAULT_MAX_COUNT, MIGRATION_GUIDE, Finding
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import ERROR, WARNING, Problem
from ansible_collections.petal.hpc.plugins.module_utils._seed.instances import InstanceType
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import WITHOUT_IMAGE, architecture_of
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path, path_text, shown
from ansible_collections.petal.hpc.plugins.module_utils._seed.storage_rules import what_is_hidden
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, Snapshot

#: Size in GiB of a volume whose size is not given (EBS_VOLUME_SIZE_DEFAULT of ParallelCluster 3.16.1).
DEFAULT_SIZE = 40
#: ParallelCluster allows 500 IOPS a GiB, even of the 3,000 that every gp3 volume has (its EbsVolumeIopsValidator).
LEAST_GP3 = 6
MOST_VOLUMES = 5
#: Directories of ParallelCluster and of the system that a mount must leave alone (its SharedStorageMountDirValidator).
_RESERVED_NAMES = (
    *("bin", "boot", "dev", "etc", "lib", "lib64", "media", "mnt", "proc", "root", "run", "sbin", "srv", "sys", "tmp"),
    *("usr", "var", "opt", "opt/intel", "opt/slurm"),
    *("opt/parallelcluster", "opt/parallelcluster/shared", "opt/parallelcluster/shared_login_nodes"),
)
RESERVED = frozenset(f"/{name}" for name in _RESERVED_NAMES)


@dataclass(frozen=True)
class Case:
    """A configuration and what it was made from."""

    config: Mapping[str, Any]
    seed: Seed
    snapshot: Snapshot | None
    settings: Settings

    @property
    def volumes(self) -> list[tuple[Path, Mapping[str, Any]]]:
        """The shared EBS volumes, each with its path."""
        found = entries(self.config, "SharedStorage")
        return [(path, volume) for path, volume in found if volume.get("StorageType") == "Ebs"]

    @property
    def queues(self) -> list[tuple[Path, Mapping[str, Any]]]:
        return entries(self.config, "Scheduling", "SlurmQueues")

    @property
    def pools(self) -> list[tuple[Path, Mapping[str, Any]]]:
        return entries(self.config, "LoginNodes", "Pools")


def entries(config: Any, *path: str) -> list[tuple[Path, Mapping[str, Any]]]:
    """Entries of a list of mappings, each with its path; none where something else stands, which the schema finds."""
    value = get(config, *path)
    found = value if isinstance(value, list) else []
    return [((*path, index), entry) for index, entry in enumerate(found) if isinstance(entry, Mapping)]


def get(config: Any, *path: str) -> Any:
    """A value by its path, or None."""
    for part in path:
        config = config.get(part) if isinstance(config, Mapping) else None
    return config


Rule = Callable[[Case], Iterable[Finding]]


def check(case: Case) -> list[Problem]:
    """What all rules find, in their order."""
    return [
        Problem(
            path=path_text(found.path),
            message=found.message,
            value="" if found.value is None else shown(found.value),
            expected=found.expected,
            hint=found.hint,
            level=level,
        )
        for level, rule in RULES
        for found in rule(case)
    ]


# -- volumes ----------------------------------------------------------------------------------------------------


def volume_or_snapshot(case: Case) -> Iterator[Finding]:
    for path, volume in case.volumes:
        if get(volume, "EbsSettings", "VolumeId") and get(volume, "EbsSettings", "SnapshotId"):
            yield Finding(
                (*path, "EbsSettings"),
                "VolumeId takes a volume that is there, SnapshotId makes a new one: the snapshot would be ignored",
                expected="one of the two",
            )


def settings_of_existing_volume(case: Case) -> Iterator[Finding]:
    """An existing volume stays as it is. SnapshotId has a rule of its own."""
    for path, volume in case.volumes:
        settings = get(volume, "EbsSettings") or {}
        idle = sorted(set(settings) - {"VolumeId", "SnapshotId"})
        if get(settings, "VolumeId") and idle:
            message = f"the volume is there already: {', '.join(idle)} will have no effect on it"
            yield Finding((*path, "EbsSettings"), message)


def key_wants_encryption(case: Case) -> Iterator[Finding]:
    for path, volume in case.volumes:
        if get(volume, "EbsSettings", "KmsKeyId") and get(volume, "EbsSettings", "Encrypted") is False:
            where = (*path, "EbsSettings", "KmsKeyId")
            yield Finding(where, "a key without encryption", hint="set Encrypted: true, or leave the key out")


def encrypted_snapshot(case: Case) -> Iterator[Finding]:
    """Source: Amazon EBS encryption; what is made from an encrypted snapshot is encrypted."""
    for path, volume in _from_snapshot(case):
        if case.snapshot and case.snapshot.encrypted and get(volume, "EbsSettings", "Encrypted") is False:
            where = (*path, "EbsSettings", "Encrypted")
            message = "the snapshot is encrypted, and so is every volume made from it"
            yield Finding(where, message, False, hint="set encrypted: true in the seed's ebs_settings")


def large_enough(case: Case) -> Iterator[Finding]:
    for path, volume in _from_snapshot(case):
        size = get(volume, "EbsSettings", "Size")
        given = DEFAULT_SIZE if size is None else size
        least = case.snapshot.size_gb if case.snapshot else 0
        if isinstance(given, int) and given < least:
            said = f"no Size, which is {DEFAULT_SIZE} GiB," if size is None else "it"
            where = (*path, "EbsSettings", "Size")
            yield Finding(where, f"{said} is below the snapshot's {least} GiB", size, f"at least {least}")


def larger_than_file_system(case: Case) -> Iterator[Finding]:
    for path, volume in _from_snapshot(case):
        size = get(volume, "EbsSettings", "Size")
        least = case.snapshot.size_gb if case.snapshot else 0
        if isinstance(size, int) and size > max(least, LEAST_GP3):
            yield Finding(
                (*path, "EbsSettings", "Size"),
                f"the snapshot's file system stays at {least} GiB: the rest is paid for and cannot be used",
                size,
                hint=f"set size: {least} in the seed, or grow the file system on the head node (resize2fs)",
            )


def snapshot_fits(case: Case) -> Iterator[Finding]:
    """A snapshot of another Region, system or state makes no volume, or one that does not run."""
    snapshot, cluster = case.snapshot, case.seed.cluster
    if snapshot is None:
        return
    where: Path = ("snapshot", snapshot.snapshot_id)
    if snapshot.provider != "aws":
        hint = "build the volume on AWS: ansible-playbook petal.hpc.build_volume"
        yield Finding(where, f"it is of provider {snapshot.provider}, and no EBS snapshot", hint=hint)
    if snapshot.state != COMPLETED:
        yield Finding(where, f"its state is {snapshot.state}", expected=COMPLETED, hint="wait, and run again")
    if snapshot.region and snapshot.region != case.config.get("Region"):
        message = f"it is in {snapshot.region}, the cluster in {case.config.get('Region')}"
        yield Finding(where, message, hint="copy it to the cluster's Region, or build it there")
    if snapshot.architecture and snapshot.architecture != cluster.architecture:
        yield Finding(where, f"its software is for {snapshot.architecture}, the cluster is {cluster.architecture}")


def snapshot_of_this_system(case: Case) -> Iterator[Finding]:
    snapshot, system = case.snapshot, get(case.config, "Image", "Os")
    if snapshot is not None and snapshot.os and snapshot.os != system:
        message = f"its software was built on {snapshot.os}, the cluster runs {system}: it may lack libraries"
        yield Finding(("snapshot", snapshot.snapshot_id), message)


def _from_snapshot(case: Case) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The volume that is made from the snapshot that is known."""
    for path, volume in case.volumes:
        if case.snapshot and get(volume, "EbsSettings", "SnapshotId") == case.snapshot.snapshot_id:
            yield path, volume


def volume_in_zone(case: Case) -> Iterator[Finding]:
    volume, zone = case.settings.volume, case.settings.head_node_zone
    if volume and zone and volume.availability_zone and volume.availability_zone != zone:
        yield Finding(
            ("volume", volume.volume_id),
            f"it is in {volume.availability_zone}, the head node in {zone}: it cannot be attached",
            hint="make the volume in the head node's zone, or take another subnet",
        )


def volume_of_this_snapshot(case: Case) -> Iterator[Finding]:
    volume, snapshot = case.settings.volume, case.snapshot
    if volume and snapshot and volume.snapshot_id and volume.snapshot_id != snapshot.snapshot_id:
        message = f"it was made from {volume.snapshot_id}, the seed's software is in {snapshot.snapshot_id}"
        yield Finding(("volume", volume.volume_id), message)


def at_most_five_volumes(case: Case) -> Iterator[Finding]:
    if len(case.volumes) > MOST_VOLUMES:
        message = f"{len(case.volumes)} EBS volumes, ParallelCluster attaches at most {MOST_VOLUMES}"
        yield Finding(("SharedStorage",), message, hint="use EFS or FSx for the others")


def software_is_there(case: Case) -> Iterator[Finding]:
    """Without a snapshot the cluster would come up with an empty volume."""
    software = case.seed.software_volume
    for path, volume in case.volumes:
        settings = get(volume, "EbsSettings") or {}
        if case.settings.volume and case.settings.volume.to_build:
            continue
        if volume.get("Name") == software.name and not {"SnapshotId", "VolumeId"} & set(settings):
            hint = f"build it: ansible-playbook petal.hpc.build_volume; seed {case.seed.cluster.name}"
            yield Finding(path, "there is no snapshot, so the software volume would be empty", hint=hint)


def names_of_volumes(case: Case) -> Iterator[Finding]:
    """Source: SharedStorageNameValidator and DuplicateNameValidator of ParallelCluster."""
    seen: set[str] = set()
    for path, volume in entries(case.config, "SharedStorage"):
        name = volume.get("Name")
        if isinstance(name, str):
            if name == "default" or len(name) > 30:
                yield Finding((*path, "Name"), "ParallelCluster takes no such name", name, "1 to 30 characters")
            if name in seen:
                yield Finding((*path, "Name"), "another volume has this name", name)
            seen.add(name)


# -- mounts -----------------------------------------------------------------------------------------------------


def mounts_apart(case: Case) -> Iterator[Finding]:
    """No mount hides another, or a part of the system."""
    seen: list[str] = []
    for path, directory in [*_storage_mounts(case), *_s3_mounts(case)]:
        if directory in RESERVED:
            yield Finding(path, "this directory belongs to the system or to ParallelCluster", directory)
        for other in seen:
            if directory == other:
                yield Finding(path, "something else is mounted there already", directory)
            elif other.startswith(directory + "/"):
                yield Finding(path, f"it hides what is mounted at {other}", directory)
            elif directory.startswith(other + "/") and path[0] == "SharedStorage":
                yield Finding(path, f"it lies inside what is mounted at {other}", directory)
        seen.append(directory)


def s3_inside_volume(case: Case) -> Iterator[Finding]:
    """It works, and hides what the volume has there; of the software volume it is known what that is."""
    software = case.seed.software_volume.mount_dir
    for path, directory in _s3_mounts(case):
        for _path, volume in _storage_mounts(case):
            if directory.startswith(volume + "/") and (volume != software or what_is_hidden(directory, software)):
                yield Finding(path, f"it lies inside the volume at {volume}, and hides what is there", directory)


def _storage_mounts(case: Case) -> Iterator[tuple[Path, str]]:
    for path, storage in entries(case.config, "SharedStorage"):
        directory = storage.get("MountDir")
        if isinstance(directory, str):
            # ParallelCluster reads shared as /shared.
            yield (*path, "MountDir"), "/" + directory.strip("/")


def _s3_mounts(case: Case) -> Iterator[tuple[Path, str]]:
    for index, mount in enumerate(case.seed.data.s3_mounts):
        yield ("data", "s3_mounts", index, "mount_point"), mount.mount_point


# -- nodes ------------------------------------------------------------------------------------------------------


def one_architecture(case: Case) -> Iterator[Finding]:
    """All nodes mount one volume of software."""
    wanted = case.seed.cluster.architecture
    for path, name in _instance_types(case):
        if isinstance(name, str) and architecture_of(name) != wanted:
            message = f"this instance type is {architecture_of(name)}, the software is for {wanted}"
            yield Finding(path, message, name, "instance types of one architecture")


def _instance_types(case: Case) -> Iterator[tuple[Path, Any]]:
    yield ("HeadNode", "InstanceType"), get(case.config, "HeadNode", "InstanceType")
    for path, pool in case.pools:
        yield (*path, "InstanceType"), pool.get("InstanceType")
    for path, queue in case.queues:
        for inner, resource in entries(queue, "ComputeResources"):
            yield (*path, *inner, "InstanceType"), resource.get("InstanceType")
            for innermost, instance in entries(resource, "Instances"):
                yield (*path, *inner, *innermost, "InstanceType"), instance.get("InstanceType")


def efa_in_one_zone(case: Case) -> Iterator[Finding]:
    for path, queue in case.queues:
        subnets = get(queue, "Networking", "SubnetIds")
        efa = [get(resource, "Efa", "Enabled") for _path, resource in entries(queue, "ComputeResources")]
        if isinstance(subnets, list) and len(subnets) > 1 and True in efa:
            hint = "name one subnet, or switch Efa off"
            yield Finding((*path, "Networking", "SubnetIds"), "EFA does not reach across zones", hint=hint)


def known_efa_queues(case: Case) -> Iterator[Finding]:
    names = [queue.name for queue in case.seed.compute.queues] if case.seed.compute else []
    for index, name in enumerate(case.settings.efa_queues or ()):
        if name not in names:
            yield Finding(("efa_queues", index), "the seed has no such queue", name, "one of " + ", ".join(names))


def sizes_are_known(case: Case) -> Iterator[Finding]:
    """InstanceTypeValidator, where the table of instance types is sure. The seed's own were judged with the seed."""
    compute = case.seed.compute
    judged = {name for queue in (compute.queues if compute else ()) for name in queue.instance_types}
    judged |= {compute.head_node} if compute else set()
    for path, name in _instance_types(case):
        if isinstance(name, str) and name not in judged:
            sure, message, expected = nodes.unknown(name)
            if sure:
                yield Finding(path, message, name, expected)


def types_agree(case: Case) -> Iterator[Finding]:
    """InstancesCPUValidator, InstancesAcceleratorsValidator."""
    for path, _queue, resource in _resources(case):
        by_cores = resource.get("DisableSimultaneousMultithreading") is True
        different = nodes.disagreement(_names_of(resource), by_cores)
        if different:
            hint = "one compute resource for each, as a seed's queue gets them by itself"
            yield Finding((*path, "Instances"), f"instance types of one resource must agree in {different}", hint=hint)


def efa_is_supported(case: Case) -> Iterator[Finding]:
    """InstancesEFAValidator, EfaValidator."""
    for path, _queue, resource in _resources(case):
        for kind in _kinds_of(resource) if get(resource, "Efa", "Enabled") is True else ():
            if not kind.efa:
                hint = "take the queue out of pcluster_config_efa_queues, or other instance types"
                yield Finding((*path, "Efa"), "it has no EFA", kind.name, hint=hint)


def placement_is_supported(case: Case) -> Iterator[Finding]:
    """InstanceTypePlacementGroupValidator."""
    for path, queue, resource in _resources(case):
        group = get(resource, "Networking", "PlacementGroup") or get(queue, "Networking", "PlacementGroup")
        wanted = isinstance(group, Mapping) and (group.get("Enabled") is True or group.get("Name") or group.get("Id"))
        for kind in _kinds_of(resource) if wanted else ():
            if not kind.placement:
                yield Finding(path, "no cluster placement group takes it", kind.name)


def spot_is_sold(case: Case) -> Iterator[Finding]:
    """CapacityTypeValidator."""
    for path, queue, resource in _resources(case):
        for kind in _kinds_of(resource) if queue.get("CapacityType") == "SPOT" else ():
            if not kind.spot:
                yield Finding(path, "it is not sold as spot", kind.name)


def gpus_have_drivers(case: Case) -> Iterator[Finding]:
    """InstanceTypeBaseAMICompatibleValidator, for the images of ParallelCluster."""
    for path, queue, resource in _resources(case):
        own = get(queue, "Image", "CustomAmi") or get(case.config, "Image", "CustomAmi")
        for name in () if own else _names_of(resource):
            if nodes.old_gpus(name):
                message = "the drivers of ParallelCluster's images do not know its GPUs"
                yield Finding(
                    path, message, name, hint="take a later family, or an image of your own (Image.CustomAmi)"
                )


def resources_are_few(case: Case) -> Iterator[Finding]:
    """MaxCountValidator."""
    number = len(list(_resources(case)))
    if number > nodes.MOST_RESOURCES:
        message = f"{number} compute resources, ParallelCluster takes {nodes.MOST_RESOURCES}"
        yield Finding(("Scheduling", "SlurmQueues"), message)


def head_node_is_large_enough(case: Case) -> Iterator[Finding]:
    """HeadNodeMemorySizeValidator."""
    head = get(case.config, "HeadNode", "InstanceType")
    counts = [resource.get("MaxCount", DEFAULT_MAX_COUNT) for _path, _queue, resource in _resources(case)]
    if isinstance(head, str) and all(isinstance(count, int) for count in counts):
        message = nodes.short_head(head, sum(counts))
        larger = nodes.larger_head(head, sum(counts)) if message else ""
        if message:
            hint = f"take {larger}, or lower MaxCount" if larger else "take a larger one"
            yield Finding(("HeadNode", "InstanceType"), message, head, hint=hint)


def image_is_there(case: Case) -> Iterator[Finding]:
    """OsCustomAmiValidator."""
    system = get(case.config, "Image", "Os")
    if system in WITHOUT_IMAGE and not get(case.config, "Image", "CustomAmi"):
        message = "ParallelCluster has no image of Rocky Linux"
        yield Finding(("Image", "Os"), message, system, hint="make one with `pcluster build-image`: Image.CustomAmi")


def no_public_addresses(case: Case) -> Iterator[Finding]:
    """MultiNetworkInterfacesInstancesValidator, as far as nothing of AWS has to be asked."""
    for path, queue, why in _several_interfaces(case):
        if get(queue, "Networking", "AssignPublicIp") is True:
            where = (*path, "Networking", "AssignPublicIp")
            yield Finding(where, f"{why}: AWS gives its nodes no public address", True, "false", _PRIVATE)


def private_subnets(case: Case) -> Iterator[Finding]:
    """The same, where the subnet is most likely a public one: the head node's."""
    for path, queue, why in _several_interfaces(case):
        if not case.settings.compute_subnet_ids and get(queue, "Networking", "AssignPublicIp") is not True:
            where = (*path, "Networking", "SubnetIds")
            message = f"{why}: AWS gives its nodes no public address, and this is the head node's subnet"
            yield Finding(where, message, hint=_PRIVATE + " (pcluster_config_compute_subnet_ids)")


_PRIVATE = "name a private subnet with a NAT gateway, which does not assign public addresses"


def _several_interfaces(case: Case) -> Iterator[tuple[Path, Mapping[str, Any], str]]:
    """Queues whose nodes have several network interfaces, with the reason; each queue once."""
    seen: set[Path] = set()
    for path, queue, resource in _resources(case):
        efa = get(resource, "Efa", "Enabled") is True
        reasons = [why for why in (nodes.several_interfaces(kind, efa) for kind in _kinds_of(resource)) if why]
        if reasons and path[:3] not in seen:
            seen.add(path[:3])
            yield path[:3], queue, reasons[0]


def _resources(case: Case) -> Iterator[tuple[Path, Mapping[str, Any], Mapping[str, Any]]]:
    """Every compute resource, with its path and its queue."""
    for path, queue in case.queues:
        for inner, resource in entries(queue, "ComputeResources"):
            yield (*path, *inner), queue, resource


def _names_of(resource: Mapping[str, Any]) -> list[str]:
    names = [entry.get("InstanceType") for _path, entry in entries(resource, "Instances")]
    return [name for name in names or [resource.get("InstanceType")] if isinstance(name, str)]


def _kinds_of(resource: Mapping[str, Any]) -> list[InstanceType]:
    return [kind for kind in map(instances.find, _names_of(resource)) if kind is not None]


def nodes_run_the_hook(case: Case) -> Iterator[Finding]:
    """The official images know nothing of the volume's modules."""
    nodes: list[tuple[Path, Mapping[str, Any]]] = [(("HeadNode",), case.config.get("HeadNode") or {})]
    lacking = [path for path, node in nodes + case.pools + case.queues if not get(node, "CustomActions")]
    if lacking:
        yield Finding(
            ("CustomActions",),
            f"no node hook on {', '.join(path_text(path) for path in lacking)}: their users will see no modules, "
            "and the seed's users and S3 mounts are not made there",
            hint="name a bucket for the hook (pcluster_config_hook_bucket), or a copy of it (pcluster_config_hook_url)",
        )


def nodes_cannot_write_the_hook(case: Case) -> Iterator[Finding]:
    """What every node fetches and runs as root: whoever may write it from one node is root on all that start later."""
    nodes: list[tuple[Path, Mapping[str, Any]]] = [(("HeadNode",), case.config.get("HeadNode") or {})]
    nodes += case.pools + case.queues
    scripts = {place for _path, node in nodes for place in _scripts_in_s3(node)}
    for path, node in nodes:
        for inner, access in entries(node, "Iam", "S3Access"):
            bucket, only = access.get("BucketName"), access.get("KeyName") or "*"
            hit = [
                key for name, key in sorted(scripts) if bucket in (name, "*") and fnmatch.fnmatchcase(key, str(only))
            ]
            if access.get("EnableWriteAccess") is True and hit:
                yield Finding(
                    (*path, *inner),
                    f"nodes may write {bucket}, and with it {hit[0]}, which every node runs as root when it starts",
                    hint="keep the hook in another bucket (pcluster_config_hook_bucket), or let nodes only read this "
                    "one (pcluster_config_s3_writable_buckets)",
                )


def _scripts_in_s3(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Bucket and key of the scripts that a node runs."""
    actions = get(node, "CustomActions")
    for event in actions if isinstance(actions, Mapping) else ():
        action = actions[event]
        for one in [action, *(entry for _path, entry in entries(action, "Sequence"))]:
            script = str(get(one, "Script") or "")
            if script.startswith("s3://"):
                bucket, _slash, key = script[len("s3://") :].partition("/")
                yield bucket, key


def login_nodes_may_read(case: Case) -> Iterator[Finding]:
    """ParallelCluster gives login nodes no access to S3 but by policies and roles."""
    wants = bool(case.seed.data.s3_mounts) or str(case.settings.hook_url or "").startswith("s3://")
    for path, pool in case.pools:
        if wants and get(pool, "CustomActions") and not get(pool, "Iam"):
            yield Finding(
                (*path, "Iam"),
                "login nodes need an IAM policy to fetch the hook from S3 and to mount buckets",
                hint="name one in iam_policies of the pool; docs/pcluster.md shows it",
            )


def custom_ami_is_legacy(case: Case) -> Iterator[Finding]:
    usual = get(case.config, "Image", "Os") in WITHOUT_IMAGE or case.seed.software.in_ami
    if get(case.config, "Image", "CustomAmi") and not usual:
        yield Finding(
            ("Image", "CustomAmi"),
            "images with software inside are the legacy tier and deprecated",
            hint=f"{MIGRATION_GUIDE} shows the way to a software volume",
        )


RULES: tuple[tuple[str, Rule], ...] = (
    (ERROR, volume_or_snapshot),
    (WARNING, settings_of_existing_volume),
    (ERROR, key_wants_encryption),
    (ERROR, encrypted_snapshot),
    (ERROR, large_enough),
    (WARNING, larger_than_file_system),
    (ERROR, snapshot_fits),
    (WARNING, snapshot_of_this_system),
    (ERROR, volume_in_zone),
    (ERROR, volume_of_this_snapshot),
    (ERROR, at_most_five_volumes),
    (ERROR, software_is_there),
    (ERROR, names_of_volumes),
    (ERROR, mounts_apart),
    (WARNING, s3_inside_volume),
    (ERROR, one_architecture),
    (ERROR, efa_in_one_zone),
    (ERROR, known_efa_queues),
    (ERROR, sizes_are_known),
    (ERROR, types_agree),
    (ERROR, efa_is_supported),
    (ERROR, placement_is_supported),
    (ERROR, spot_is_sold),
    (ERROR, gpus_have_drivers),
    (ERROR, resources_are_few),
    (ERROR, head_node_is_large_enough),
    (ERROR, image_is_there),
    (ERROR, no_public_addresses),
    (WARNING, private_subnets),
    (WARNING, nodes_run_the_hook),
    (ERROR, nodes_cannot_write_the_hook),
    (ERROR, login_nodes_may_read),
    (WARNING, custom_ami_is_legacy),
)
