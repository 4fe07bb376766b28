"""Clusters for tests of the ParallelCluster configuration: shipped seeds in every mode, and wrong ones."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from playing import ROOT

from ansible_collections.petal.hpc.plugins.module_utils._pcluster import render
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.merge import merge
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.settings import Settings, snapshot_of
from ansible_collections.petal.hpc.plugins.module_utils._seed import cluster_rules, nodes
from ansible_collections.petal.hpc.plugins.module_utils._seed.instances import table
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

SEEDS = ROOT / "seeds"
HOST = Host("debian12", "x86_64")
FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
SNAPSHOT = "snap-0123456789abcdef0"
HOOK = "s3://lab-hooks/petal/cluster/petal-node-bootstrap"

#: What takes a seed of provider local to AWS; docs/pcluster.md says the same.
MOVED: dict[str, dict[str, Any]] = {
    "cluster": {"provider": "aws", "region": "us-east-1", "os": "alinux2023"},
    "compute": {"head_node": "t3.large", "queues": [{"name": "compute", "instance_types": ["c6i.xlarge"]}]},
}

SETTINGS: dict[str, Any] = {
    "head_node_subnet_id": "subnet-0123456789abcdef0",
    "key_name": "me",
    "hook_url": HOOK,
    "hook_revision": "0123456789ab",
}


def plain(name: str, moved: bool = True) -> dict[str, Any]:
    """A shipped seed as it stands in its file; moved to AWS where it is a local one, and so wanted."""
    data: dict[str, Any] = yaml.safe_load((SEEDS / name).read_text())
    if moved and data["cluster"].get("provider") == "local":
        for section, keys in MOVED.items():
            data[section] = {**data.get(section, {}), **keys}
    return data


def shipped() -> list[str]:
    """Names of all shipped seeds, below the folder of seeds."""
    return [str(path.relative_to(SEEDS)) for path in sorted(SEEDS.rglob("*.yaml"))]


def snapshot(seed: Seed, **changes: Any) -> dict[str, Any]:
    """A record of a snapshot with the seed's software."""
    return {
        "snapshot_id": SNAPSHOT,
        "fingerprint": FINGERPRINT,
        "name": seed.cluster.name,
        "os": seed.cluster.os,
        "architecture": seed.cluster.architecture,
        "size_gb": seed.software_volume.ebs_settings.size,
        "created": "2026-01-31T12:00:00Z",
        "state": "completed",
        "provider": "aws",
        "region": seed.cluster.region,
        "encrypted": True,
        **changes,
    }


@dataclass(frozen=True)
class Sample:
    """A cluster: what is put on a shipped seed, on the record of its snapshot (None: there is none), on the settings.

    says: what the message about a wrong one holds. both: ParallelCluster has to refuse it as well.
    moved: a local seed is taken to AWS first.
    """

    name: str
    seed_name: str = "bioinformatics.yaml"
    seed: dict[str, Any] = field(default_factory=dict)
    snapshot: dict[str, Any] | None = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    both: bool = False
    moved: bool = True

    def parts(self) -> tuple[Seed, Snapshot | None, Settings]:
        """What the configuration is made of. Raises PetalError."""
        seed = Seed.from_mapping(_merged(plain(self.seed_name, self.moved), self.seed), HOST)
        record = None if self.snapshot is None else snapshot_of(snapshot(seed, **self.snapshot))
        return seed, record, Settings.from_mapping(_merged(SETTINGS, self.settings))

    def configure(self) -> render.Configuration:
        """Raises PetalError where a rule is broken."""
        return render.configure(*self.parts())

    def draft(self) -> dict[str, Any]:
        """The configuration that nobody has looked at, nor at its seed for ParallelCluster. Raises PetalError."""
        with mock.patch.object(cluster_rules, "RULES", ()):
            return render.draft(*self.parts())

    @property
    def snapshot_size(self) -> int:
        """In GiB; what EC2 would say of it."""
        with mock.patch.object(cluster_rules, "RULES", ()):
            record = self.parts()[1]
        return record.size_gb if record else 1


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        merged[key] = merge(merged[key], value) if isinstance(merged.get(key), dict) and key != "overrides" else value
    return merged


VOLUME = {"volume_id": "vol-0123456789abcdef0", "availability_zone": "us-east-1a", "size_gb": 100}
#: Everything that a seed and a site may say.
EVERYTHING_SEED = {
    "users": [{"name": "researcher1", "uid": 5001, "gid": 5001}, {"name": "researcher2", "uid": 5002, "gid": 5001}],
    "data": {
        "s3_mounts": [
            {"bucket": "lab-data", "mount_point": "/data/in"},
            {"bucket": "lab-results", "mount_point": "/data/out"},
        ]
    },
}
EVERYTHING_STORAGE = [
    {"name": "software", "mount_dir": "/shared", "ebs_settings": {"size": 100, "kms_key_id": "alias/lab"}},
    {"name": "work", "mount_dir": "/work", "ebs_settings": {"volume_type": "io2", "size": 200, "iops": 4000}},
    {"name": "archive", "mount_dir": "/archive", "ebs_settings": {"volume_type": "st1", "size": 500}},
]
EVERYTHING_SETTINGS = {
    "head_node_zone": "us-east-1a",
    "compute_subnet_ids": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"],
    "additional_security_group_ids": ["sg-0123456789abcdef0"],
    "login_nodes": [
        {
            "name": "login",
            "instance_type": "t3.large",
            "count": 2,
            "iam_policies": ["arn:aws:iam::123456789012:policy/petal-login"],
        }
    ],
    "s3_writable_buckets": ["lab-results"],
}
OVERRIDES = {
    "HeadNode": {"Dcv": {"Enabled": True}, "Ssh": {"KeyName": None}, "LocalStorage": {"RootVolume": {"Size": 100}}},
    "Monitoring": {"DetailedMonitoring": True},
    "Scheduling": {
        "SlurmSettings": {"ScaledownIdletime": 5},
        "SlurmQueues": [
            {"Name": "memory", "JobExclusiveAllocation": True, "ComputeResources": [{"Name": "memory", "MinCount": 1}]}
        ],
    },
    "SharedStorage": [
        {"Name": "home2", "MountDir": "/home2", "StorageType": "Efs", "EfsSettings": {"Encrypted": True}},
    ],
}

#: How a cluster may be made, beside the plain way from a snapshot.
MODES = (
    Sample("volume", settings={"volume": VOLUME}),
    Sample("custom-ami", seed={"compute": {"custom_ami": "ami-0123456789abcdef0"}}, snapshot=None),
    Sample("custom-ami-and-volume", seed={"compute": {"custom_ami": "ami-0123456789abcdef0"}}),
    Sample("everything", seed={**EVERYTHING_SEED, "shared_storage": EVERYTHING_STORAGE}, settings=EVERYTHING_SETTINGS),
    Sample("overrides", settings={"overrides": OVERRIDES}),
    Sample("plain", settings={"hook_url": None, "hook_revision": None, "key_name": None}),
    Sample(
        "arm",
        "testing/workload-basic.yaml",
        seed={"compute": {"head_node": "m7g.large", "queues": [{"name": "mpi", "instance_types": ["hpc7g.16xlarge"]}]}},
        settings={"compute_subnet_ids": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"]},
    ),
    Sample(
        "mixed",
        seed={
            "compute": {
                "head_node": "m6i.xlarge",
                "queues": [
                    {
                        "name": "wide",
                        "instance_types": ["c5.4xlarge", "c5.9xlarge", "c6i.4xlarge", "g5.4xlarge"],
                        "min_count": 5,
                        "max_count": 10,
                        "spot": True,
                    },
                    {"name": "some-efa", "instance_types": ["c6a.24xlarge", "hpc6a.48xlarge", "p4d.24xlarge"]},
                ],
            }
        },
        settings={"compute_subnet_ids": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"]},
    ),
    Sample(
        "rocky",
        "testing/workload-basic.yaml",
        seed={"cluster": {"os": "rocky9"}, "compute": {"custom_ami": "ami-0123456789abcdef0"}},
    ),
    Sample("larger", "testing/workload-basic.yaml", snapshot={"size_gb": 60}),
)


def good() -> list[Sample]:
    """Every shipped seed from its snapshot, then the modes."""
    return [*(Sample(Path(name).stem, name) for name in shipped()), *MODES]


def _override(name: str, overrides: dict[str, Any], says: str, **more: Any) -> Sample:
    return Sample(name, settings={"overrides": overrides}, says=says, **more)


def _ebs(**settings: Any) -> dict[str, Any]:
    return {"SharedStorage": [{"Name": "software", "EbsSettings": settings}]}


def _queue(**keys: Any) -> dict[str, Any]:
    return {"Scheduling": {"SlurmQueues": [{"Name": "memory", **keys}]}}


def _resource(*types: str, **keys: Any) -> dict[str, Any]:
    return {"Name": "memory", "Instances": [{"InstanceType": name} for name in types], **keys}


def _types(*types: str, **keys: Any) -> dict[str, Any]:
    return _queue(ComputeResources=[_resource(*types, **keys)])


def _six() -> Iterator[dict[str, Any]]:
    for number in range(5):
        yield {"Name": f"v{number}", "MountDir": f"/v{number}", "StorageType": "Ebs", "EbsSettings": {"Size": 50}}


QUEUE = {"name": "q", "instance_types": ["c6i.4xlarge"]}
HPC_SPOT = {"instance_types": ["hpc6a.48xlarge"], "spot": True}
#: One queue of 26 and one of 25 kinds, which differ in vCPUs or GPUs.
_KINDS = [types[0] for types in nodes.alike(name for name, kind in table().items() if kind.architecture == "x86_64")]
FIFTY_ONE = {
    "compute": {
        "head_node": "m6i.4xlarge",
        "queues": [
            {"name": "first", "instance_types": _KINDS[:26], "max_count": 26},
            {"name": "second", "instance_types": _KINDS[26:51], "max_count": 25},
        ],
    }
}
_POOL = {"name": "login", "instance_type": "t3.large"}
_S3 = {"bucket": "lab-data", "mount_point": "/shared"}
_ROLE = "arn:aws:iam::123456789012:role/nodes"

#: What must not reach AWS, and breaks a rule of ours.
OURS = (
    _override(
        "VolumeId with SnapshotId", _ebs(VolumeId="vol-0123456789abcdef0"), "VolumeId takes a volume that is there"
    ),
    _override("KmsKeyId with Encrypted false", _ebs(KmsKeyId="alias/x", Encrypted=False), "a key without encryption"),
    Sample(
        "encrypted snapshot, Encrypted false",
        seed={"shared_storage": [{"name": "software", "mount_dir": "/shared", "ebs_settings": {"encrypted": False}}]},
        says="the snapshot is encrypted",
    ),
    _override("size below the snapshot's", _ebs(Size=99), "is below the snapshot's 100 GiB"),
    _override("no size: 40 GiB", _ebs(Size=None), "no Size, which is 40 GiB"),
    _override(
        "a mount inside another",
        {"SharedStorage": [{"Name": "x", "MountDir": "/shared/x", "StorageType": "Ebs", "EbsSettings": {"Size": 50}}]},
        "it lies inside what is mounted at /shared",
    ),
    _override(
        "a mount over another",
        {"SharedStorage": [{"Name": "x", "MountDir": "shared", "StorageType": "Ebs", "EbsSettings": {"Size": 50}}]},
        "something else is mounted there already",
    ),
    Sample(
        "an S3 mount over the software", seed={"data": {"s3_mounts": [_S3]}}, says="something else is mounted there"
    ),
    _override(
        "a mount over the system",
        {"SharedStorage": [{"Name": "software", "MountDir": "/opt/slurm"}]},
        "belongs to the system or to ParallelCluster",
    ),
    _override(
        "an Arm queue on x86",
        _queue(ComputeResources=[{"Name": "memory", "Instances": [{"InstanceType": "c7g.large"}]}]),
        "this instance type is arm64",
    ),
    Sample(
        "Arm login nodes on x86",
        settings={
            "login_nodes": [{**_POOL, "instance_type": "t4g.large", "iam_policies": ["arn:aws:iam::aws:policy/X"]}]
        },
        says="this instance type is arm64",
    ),
    _override("six EBS volumes", {"SharedStorage": list(_six())}, "at most 5"),
    _override(
        "a volume named default",
        {"SharedStorage": [{"Name": "default", "MountDir": "/x", "StorageType": "Ebs"}]},
        "takes no such name",
    ),
    Sample("no snapshot", snapshot=None, says="the software volume would be empty"),
    Sample("a snapshot of another Region", snapshot={"region": "eu-central-1"}, says="it is in eu-central-1"),
    Sample("a snapshot that is not completed", snapshot={"state": "pending"}, says="its state is pending"),
    Sample("a local snapshot", snapshot={"provider": "local"}, says="no EBS snapshot"),
    Sample("Arm software on x86", snapshot={"architecture": "arm64"}, says="its software is for arm64"),
    Sample(
        "a volume in another zone",
        settings={"volume": VOLUME, "head_node_zone": "us-east-1b"},
        says="the head node in us-east-1b",
    ),
    Sample(
        "a volume of other software",
        settings={"volume": {**VOLUME, "snapshot_id": "snap-0fedcba9876543210"}},
        says="it was made from snap-0fedcba9876543210",
    ),
    _override(
        "EFA over two zones",
        _queue(
            Networking={"SubnetIds": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"]},
            ComputeResources=[{"Name": "memory", "Efa": {"Enabled": True}}],
        ),
        "EFA does not reach across zones",
    ),
    Sample("EFA for a queue that is none", settings={"efa_queues": ["short", "no"]}, says="the seed has no such queue"),
    _override(
        "vCPUs that differ in one resource",
        _types("c5.4xlarge", "c5.9xlarge"),
        "must agree in vCPUs: c5.4xlarge 16, c5.9xlarge 36",
        both=True,
    ),
    _override(
        "cores that differ without hyper-threading",
        _types("c7a.4xlarge", "c6a.4xlarge", DisableSimultaneousMultithreading=True),
        "must agree in cores: c7a.4xlarge 16, c6a.4xlarge 8",
        both=True,
    ),
    _override(
        "GPUs that differ in one resource",
        _types("g5.16xlarge", "c6i.16xlarge"),
        "must agree in GPUs: g5.16xlarge 1, c6i.16xlarge none",
        both=True,
    ),
    Sample("EFA where there is none", settings={"efa_queues": ["short"]}, says="it has no EFA", both=True),
    _override(
        "a placement group for what cannot be in one",
        _queue(Networking={"PlacementGroup": {"Enabled": True}}, ComputeResources=[_resource("t3.large")]),
        "no cluster placement group takes it",
        both=True,
    ),
    _override(
        "more nodes than the head node manages",
        _queue(ComputeResources=[{"Name": "memory", "MaxCount": 1000}]),
        "4 GiB of memory do not manage 1020 nodes",
        seed={"compute": {"head_node": "t3.medium"}},
        both=True,
    ),
    _override(
        "51 compute resources",
        _queue(ComputeResources=[{**_resource("r6i.4xlarge"), "Name": f"r{number}"} for number in range(50)]),
        "ParallelCluster takes 50",
        both=True,
    ),
    _override("a size that is none, by the site", _types("c5.8xlarge"), "c5 has no such size", both=True),
    _override(
        "GPUs without drivers, by the site",
        _types("p3dn.24xlarge"),
        "the drivers of ParallelCluster's images do not know its GPUs",
        both=True,
    ),
    _override(
        "HPC nodes as spot, by the site",
        {"Scheduling": {"SlurmQueues": [{"Name": "solve", "CapacityType": "SPOT"}]}},
        "it is not sold as spot",
        seed_name="cfd.yaml",
        both=True,
    ),
    _override(
        "public addresses for several interfaces",
        {"Scheduling": {"SlurmQueues": [{"Name": "train", "Networking": {"AssignPublicIp": True}}]}},
        "p5.48xlarge has 32 network cards: AWS gives its nodes no public address",
        seed_name="machine-learning.yaml",
        both=True,
    ),
    _override("Rocky, by the site", {"Image": {"Os": "rocky9"}}, "has no image of Rocky Linux", both=True),
    Sample(
        "login nodes that cannot fetch the hook",
        settings={"login_nodes": [_POOL]},
        says="login nodes need an IAM policy",
    ),
    Sample(
        "a hook that nodes can write",
        seed={"data": {"s3_mounts": [{"bucket": "lab-data", "mount_point": "/data"}]}},
        settings={"hook_url": "s3://lab-data/hook", "s3_writable_buckets": ["lab-data"]},
        says="nodes may write lab-data, and with it hook, which every node runs as root when it starts",
    ),
    _override(
        "every bucket writable, by the site",
        {"HeadNode": {"Iam": {"S3Access": [{"BucketName": "*", "EnableWriteAccess": True}]}}},
        "HeadNode.Iam.S3Access",
    ),
    Sample("no subnet", settings={"head_node_subnet_id": "eu-1"}, says="this is no subnet id"),
    Sample("a setting that is none", settings={"key_nam": "me"}, says="did you mean key_name?"),
)


def _compute(**keys: Any) -> dict[str, Any]:
    queues = [{"name": "q", "instance_types": ["c6i.4xlarge"], **keys}]
    return {"compute": {"head_node": "m6i.xlarge", "queues": queues}}


#: What a seed of provider aws must not say: found before anything is built.
OF_SEEDS = (
    Sample(
        "more kinds of nodes than nodes",
        seed=_compute(instance_types=["c5.4xlarge", "c5.9xlarge"], max_count=1),
        says="kinds of nodes (c5.4xlarge; c5.9xlarge), of one node each at least",
    ),
    Sample(
        "a head node too small for its nodes",
        seed={"compute": {"head_node": "t3.small", "queues": [{**QUEUE, "max_count": 200}]}},
        says="2 GiB of memory do not manage 200 nodes: ParallelCluster asks for 8.6 GiB",
        both=True,
    ),
    Sample("Rocky without an image", seed={"cluster": {"os": "rocky9"}}, says="has no image of Rocky Linux", both=True),
    Sample(
        "a user named as Slurm's",
        seed={"users": [{"name": "slurm", "uid": 5001}]},
        says="this user is there on every node: ParallelCluster's own",
    ),
    Sample(
        "a user named as the image's",
        seed={"users": [{"name": "ec2-user", "uid": 5001}]},
        says="this user is there on every node: the image's first user",
    ),
    Sample(
        "a user with the id of the image's",
        seed={"users": [{"name": "x", "uid": 1000}]},
        says="the image's first user has this id",
    ),
    Sample("a size that is none", seed=_compute(instance_types=["c5.8xlarge"]), says="c5 has no such size", both=True),
    Sample(
        "a head node of no size",
        seed={"compute": {"head_node": "m5.9xlarge"}},
        says="m5 has no such size",
        both=True,
    ),
    Sample("HPC nodes as spot", "cfd.yaml", seed=_compute(**HPC_SPOT), says="it is not sold as spot", both=True),
    Sample(
        "GPUs without drivers",
        seed=_compute(instance_types=["p3dn.24xlarge"]),
        says="the drivers of ParallelCluster's images do not know its GPUs",
        both=True,
    ),
    Sample(
        "a volume inside the local disks",
        seed={
            **_compute(instance_types=["c5d.4xlarge"]),
            "shared_storage": [{"name": "software", "mount_dir": "/scratch/shared"}],
        },
        says="it lies inside /scratch, where the local disks of c5d.4xlarge are mounted",
    ),
    Sample("51 kinds of nodes", seed=FIFTY_ONE, says="51 kinds of nodes in all queues", both=True),
)

#: Slips in the site's own keys, which ParallelCluster's schema finds.
SCHEMAS = (
    _override("Os al2023", {"Image": {"Os": "al2023"}}, "Must be one of: alinux2023"),
    _override("a key that is none", _ebs(VolumeInitializationRate=100), "Unknown field"),
    _override("DeletionPolicy Keep", _ebs(DeletionPolicy="Keep"), "Must be one of: Delete"),
    _override("scheduler awsbatch", {"Scheduling": {"Scheduler": "awsbatch"}}, "Must be one of: slurm"),
    _override("a role and S3Access", {"HeadNode": {"Iam": {"InstanceRole": _ROLE}}}, "S3Access can not be configured"),
    _override(
        "InstanceType and Instances",
        _queue(ComputeResources=[{"Name": "memory", "InstanceType": "r6i.large"}]),
        "either InstanceType or Instances",
    ),
    _override(
        "two actions in one",
        {"HeadNode": {"CustomActions": {"OnNodeConfigured": {"Sequence": []}}}},
        "Both Script and Sequence fields are provided",
    ),
    _override("a queue without subnets", _queue(Networking={"SubnetIds": None}), "Missing data for required field"),
)

#: A seed of provider local as it is: it has no cluster on AWS.
LOCAL = Sample("a local seed", "quickstart.yaml", moved=False, says="a seed of provider local has no cluster on AWS")
