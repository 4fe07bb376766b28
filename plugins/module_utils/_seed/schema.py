# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a seed and what each may hold. What keys mean together is in *rules.py, defaults in model.py."""

from __future__ import annotations

import re

from ansible_collections.petal.hpc.plugins.module_utils._seed import (
    grammar,
    images,
    modulefiles,
    platforms,
    requirements,
    spec,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import (
    Array,
    Choice,
    Day,
    Digits,
    Flag,
    Flaw,
    Integer,
    Key,
    Record,
    Text,
)
from ansible_collections.petal.hpc.plugins.module_utils._seed.spack_settings import Settings

PROVIDERS = ("aws", "local")

#: How software comes to the nodes of a cluster.
TIERS = ("auto", "volume", "ami", "containers", "source", "hybrid")

#: Values of ``snapshot_sources[].type``.
SNAPSHOT_SOURCES = ("local", "organization", "official", "community")

#: EBS volume types that can carry a software volume or serve a cluster.
VOLUME_TYPES = ("gp3", "gp2", "io1", "io2", "st1", "sc1", "standard")


def _spack_spec(text: str) -> Flaw | None:
    try:
        spec.parse(text)
    except spec.SpecError as error:
        return Flaw(f"this is no Spack spec: {error.reason}", error.caret())
    return None


def _system_user(text: str) -> str | None:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", text, re.ASCII):
        return "this is no name of a user"
    return "this user belongs to the system" if text in {"root", "nobody", "daemon", "bin", "sys"} else None


REGION = Text(
    "a region such as us-east-1",
    grammar.pattern(r"[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}", "this is no name of a region"),
)
INSTANCE_TYPE = Text(
    "an EC2 instance type such as c5.4xlarge",
    grammar.pattern(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z0-9-]+", "this is no instance type"),
    limit=40,
)
ACCOUNT = Digits(12, "an AWS account id: 12 digits", "this is no account id")
SPEC = Text("a Spack spec such as hdf5@1.14 +mpi", _spack_spec, limit=spec.LIMIT)
SPECS = Array(SPEC, "Spack specs")
BUCKET = Text("an S3 bucket's name: 3 to 63 lower-case letters, digits, dots, hyphens", grammar.bucket)
GIT_REF = Text("a Git tag, commit or branch", grammar.git_ref)
MOUNT_DIR = Text("an absolute directory such as /shared", grammar.mount_dir, limit=100)
#: Names and versions of environments and containers: parts of paths and of module names.
LABEL = Text(
    "lower-case letters, digits and . _ + -, a letter or digit first",
    grammar.pattern(r"[a-z0-9][a-z0-9._+-]*", "this name cannot be a part of a path and of a module"),
    limit=64,
)
CLUSTER_NAME = Text(
    "a letter first, then letters, digits and hyphens, at most 60 in all",
    grammar.pattern(r"[A-Za-z][A-Za-z0-9-]*", "this is no name of a cluster"),
    limit=60,
)
#: What a build is called, in the same form: snapshots bear it in a tag and in their Description.
BUILD_NAME = Text(
    CLUSTER_NAME.expected, grammar.pattern(r"[A-Za-z][A-Za-z0-9-]*", "this is no name of a build"), limit=60
)

CLUSTER = Record(
    {
        "name": Key(CLUSTER_NAME, required=True),
        "region": Key(REGION, null=True),
        "provider": Key(Choice(PROVIDERS)),
        "os": Key(Choice(platforms.OPERATING_SYSTEMS, platforms.OS_ALIASES)),
        "architecture": Key(Choice(platforms.ARCHITECTURES, platforms.ARCHITECTURE_ALIASES)),
    },
    "the cluster",
    {
        "cluster_name": "write name",
        "arch": "write architecture",
        "head_node": "it belongs into compute, beside cluster",
        "head_node_type": "write compute: {head_node: …}, beside cluster",
        "queues": "it belongs into compute, beside cluster",
    },
)

QUEUE = Record(
    {
        "name": Key(
            Text(
                "a lower-case letter first, then lower-case letters, digits and hyphens, at most 25 in all",
                grammar.pattern(r"(?!default$)[a-z][a-z0-9-]*", "ParallelCluster takes no such queue name"),
                limit=25,
            ),
            required=True,
        ),
        "instance_types": Key(Array(INSTANCE_TYPE, "instance types", least=1, most=50), required=True),
        "min_count": Key(Integer(0, 10000, "nodes")),
        "max_count": Key(Integer(1, 10000, "nodes")),
        "spot": Key(Flag()),
    },
    "a queue",
    {
        "capacity_type": "write spot: true for SPOT, and nothing for ONDEMAND",
        "capacitytype": "write spot: true for SPOT, and nothing for ONDEMAND",
        "use_spot": "write spot: true",
        "instance_type": "write instance_types, a list: [c5.4xlarge]",
        "instancetype": "write instance_types, a list: [c5.4xlarge]",
        "instances": "write instance_types, a list: [c5.4xlarge]",
        "min": "write min_count",
        "mincount": "write min_count",
        "min_size": "write min_count",
        "min_nodes": "write min_count",
        "max": "write max_count",
        "maxcount": "write max_count",
        "max_size": "write max_count",
        "max_nodes": "write max_count",
        "count": "write min_count and max_count: nodes come and go with the jobs",
        "desired": "leave it out: nodes come and go with the jobs, between min_count and max_count",
        "desired_count": "leave it out: nodes come and go with the jobs, between min_count and max_count",
        "desired_size": "leave it out: nodes come and go with the jobs, between min_count and max_count",
    },
)

COMPUTE = Record(
    {
        "head_node": Key(INSTANCE_TYPE, required=True),
        "custom_ami": Key(
            Text(
                "an image id: ami- and 8 or 17 hexadecimal digits",
                grammar.pattern(r"ami-([0-9a-f]{8}|[0-9a-f]{17})", "this is no image id"),
            ),
            null=True,
        ),
        "queues": Key(Array(QUEUE, "queues", most=50)),
    },
    "the cluster's nodes",
    {
        "ami": "write custom_ami (deprecated), or leave it out for the official image",
        "ami_id": "write custom_ami (deprecated), or leave it out for the official image",
        "headnode": "write head_node",
        "master": "write head_node",
        "instance_type": "write head_node",
        "head_node_type": "write head_node",
        "partitions": "write queues",
    },
)

EBS_SETTINGS = Record(
    {
        "volume_type": Key(Choice(VOLUME_TYPES)),
        "size": Key(Integer(1, 16384, "GiB")),
        "iops": Key(Integer(100, 256000, "I/O operations per second"), null=True),
        "throughput": Key(Integer(125, 1000, "MiB/s"), null=True),
        "encrypted": Key(Flag()),
        "kms_key_id": Key(
            Text(
                "a key's id, its ARN, or alias/NAME",
                grammar.pattern(
                    r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?"
                    r"(alias/[A-Za-z0-9/_-]+|(key/)?(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}))",
                    "this is no KMS key",
                ),
            ),
            null=True,
        ),
    },
    "settings of the volume",
)

STORAGE = Record(
    {
        "name": Key(
            Text(
                "letters, digits, hyphens and underscores, at most 30, and not 'default'",
                grammar.pattern(r"(?!default$)[A-Za-z0-9][A-Za-z0-9_-]*", "ParallelCluster takes no such name"),
                limit=30,
            ),
            required=True,
        ),
        "storage_type": Key(Choice(("Ebs",), {"ebs": "Ebs", "EBS": "Ebs"})),
        "mount_dir": Key(MOUNT_DIR, required=True),
        "ebs_settings": Key(EBS_SETTINGS),
    },
    "a shared volume",
)

CONTAINER = Record(
    {
        "name": Key(LABEL, required=True),
        "image": Key(
            Text("an image such as example.org/lab/tools:1.2, or file:images/tools.tar beside the seed", images.image),
            required=True,
        ),
        "version": Key(
            Text("a version such as 1.17", grammar.pattern(images.VERSION.pattern, "this is no version of a module")),
            null=True,
        ),
        "modules": Key(images.Programs(), required=True),
        "env": Key(images.Variables(), null=True),
        "gpu": Key(Flag()),
        "binds": Key(Array(Text("a directory of the nodes: /scratch, /data/ref:/ref:ro", images.bind), "directories")),
    },
    "a container",
    {"programs": "write modules", "commands": "write modules", "tag": "write it into image", "uri": "write image"},
)

PYTHON_ENVIRONMENT = Record(
    {
        "name": Key(LABEL, required=True),
        "version": Key(LABEL, null=True),
        "default": Key(Flag()),
        "python": Key(
            Text(
                'a Python version in quotes, such as "3.12" or "3.12.4"',
                grammar.pattern(r"3\.[0-9]{1,2}(\.[0-9]{1,3})?", "this is no version of Python 3"),
            ),
            null=True,
        ),
        "packages": Key(
            Array(
                Text("a requirement such as numpy==2.2.* (PEP 508)", requirements.requirement, limit=500),
                "Python requirements",
            )
        ),
        "as_of": Key(Day("a day such as 2026-11-01"), null=True),
        "build": Key(
            Array(
                Text("the name of a Python package such as mpi4py", grammar.python_package, limit=128),
                "names of Python packages",
            )
        ),
    },
    "a Python environment",
)

REPOSITORY = Record(
    {
        "path": Key(Text("a directory, as a path from the seed's: site/recipes", grammar.below_seed), null=True),
        "git": Key(Text("the address of a Git repository", grammar.git_url, limit=500), null=True),
        "ref": Key(GIT_REF, null=True),
    },
    "a repository of recipes",
    {"url": "write git", "branch": "write ref", "tag": "write ref", "commit": "write ref", "dir": "write path"},
)

TARGET = Text(
    "a processor target of Spack such as x86_64_v3 or neoverse_v1",
    grammar.pattern(r"[a-z][a-z0-9_]*", "this is no target"),
    limit=40,
)

STACK = Record(
    {
        # Behind the version in names of modules, and the name of a group of specs of Spack.
        "name": Key(
            Text(
                "a lower-case letter first, then lower-case letters, digits, _ and -, at most 30 in all",
                grammar.pattern(r"[a-z][a-z0-9_-]*", "this is no name of a stack"),
                limit=30,
            ),
            required=True,
        ),
        "compiler": Key(SPEC, null=True),
        "mpi": Key(SPEC, null=True),
        "target": Key(TARGET, null=True),
        "packages": Key(SPECS),
    },
    "a stack",
    {"spack_packages": "write packages", "specs": "write packages", "compilers": "write a stack for each compiler"},
)

SOFTWARE = Record(
    {
        "spack_packages": Key(SPECS),
        "stacks": Key(Array(STACK, "stacks", most=20)),
        "spack": Key(
            Record(
                {
                    "version": Key(GIT_REF),
                    "packages": Key(GIT_REF, null=True),
                    "target": Key(TARGET),
                    "padded_length": Key(Integer(0, 512, "characters")),
                    "config": Key(Settings(), null=True),
                    "repos": Key(Array(REPOSITORY, "repositories of recipes", most=20)),
                },
                "Spack",
            )
        ),
        "compiler": Key(SPEC, null=True),
        "build_from_source": Key(SPECS),
        "in_ami": Key(SPECS),
        "use_custom_ami": Key(Flag()),
        "build_parallel": Key(Flag()),
        "binary_cache": Key(
            Record(
                {
                    "s3_bucket": Key(BUCKET, required=True),
                    "s3_prefix": Key(Text("a prefix such as caches/bio", grammar.cache_prefix, may_be_empty=True)),
                    "s3_region": Key(REGION, null=True),
                },
                "the binary cache",
                {"bucket": "write s3_bucket", "prefix": "write s3_prefix", "region": "write s3_region"},
            ),
            null=True,
        ),
        "containers": Key(Array(CONTAINER, "containers")),
        "python_environments": Key(Array(PYTHON_ENVIRONMENT, "Python environments")),
        "modules": Key(
            Array(
                Text("a modulefile, as a path from the seed's directory: site/tool-1.0.lua", modulefiles.path),
                "modulefiles",
                most=modulefiles.COUNT_LIMIT,
            )
        ),
        "lmod": Key(
            Record(
                {
                    "version": Key(
                        Text(
                            "a version of Lmod in quotes, such as 8.7.37",
                            grammar.pattern(r"[0-9]+(\.[0-9]+){1,3}", "this is no version of Lmod"),
                        ),
                        null=True,
                    )
                },
                "Lmod",
            )
        ),
        "build": Key(
            Record(
                {
                    "instance_type": Key(INSTANCE_TYPE),
                    "spot": Key(Flag()),
                    "timeout": Key(Text("a duration such as 12h or 90m", grammar.duration)),
                },
                "the build host",
            )
        ),
    },
    "the software",
    {
        "packages": "write spack_packages",
        "spack_specs": "write spack_packages",
        "buildcache": "write binary_cache: {s3_bucket: …}",
        "build_cache": "write binary_cache: {s3_bucket: …}",
        "spack_version": "write spack: {version: …}",
        "ami": "the image of the nodes is compute.custom_ami (deprecated)",
    },
)

USER = Record(
    {
        "name": Key(
            Text("a user's name: at most 32 lower-case letters, digits, _ and -", _system_user),
            required=True,
        ),
        "uid": Key(Integer(1, 60000), required=True),
        "gid": Key(Integer(1, 60000)),
    },
    "a user",
)

S3_MOUNT = Record(
    {"bucket": Key(BUCKET, required=True), "mount_point": Key(MOUNT_DIR, required=True)},
    "an S3 mount",
)

SNAPSHOT_SOURCE = Record(
    {
        "type": Key(Choice(SNAPSHOT_SOURCES), required=True),
        "priority": Key(Integer(1, 1000), required=True),
        "account": Key(ACCOUNT, null=True),
        "store": Key(
            Text("an absolute directory, or s3://BUCKET/PREFIX", grammar.snapshot_store, limit=500), null=True
        ),
        "enabled": Key(Flag()),
    },
    "a source of snapshots",
)

REGISTRY = Record(
    {
        "use_public_snapshots": Key(Flag()),
        "trusted_accounts": Key(Array(ACCOUNT, "AWS account ids")),
        "url": Key(
            Text("https://…, file:///… or OWNER/REPOSITORY of GitHub", grammar.registry_url, limit=500), null=True
        ),
    },
    "the registry",
)

SEED = Record(
    {
        "schema": Key(Integer(1, 1)),
        "cluster": Key(CLUSTER, required=True),
        "compute": Key(COMPUTE, null=True),
        "shared_storage": Key(Array(STORAGE, "volumes", least=1)),
        "software": Key(SOFTWARE),
        "users": Key(Array(USER, "users")),
        "data": Key(Record({"s3_mounts": Key(Array(S3_MOUNT, "S3 mounts"))}, "data")),
        "snapshot_sources": Key(Array(SNAPSHOT_SOURCE, "sources of snapshots")),
        "registry": Key(REGISTRY),
        "tier": Key(Choice(TIERS)),
    },
    "a seed",
    {
        "template": "the file itself is the seed: its keys stand at the top",
        "name": "write cluster: {name: …}",
        "region": "write cluster: {region: …}",
        "os": "write cluster: {os: …}",
        "head_node": "write compute: {head_node: …}",
        "queues": "it belongs into compute",
        "spack_packages": "it belongs into software",
        "packages": "write software: {spack_packages: …}",
        "storage": "write shared_storage",
        "s3_mounts": "it belongs into data",
    },
)
