"""A key that does nothing is a lie: every key of the schema has a reader that acts on it, or is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from seed_samples import LOCAL, changed, faults

from ansible_collections.petal.hpc.plugins.module_utils._seed import schema
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Array, Record, Shape

ROOT = Path(__file__).resolve().parents[5]
RENDER = "plugins/module_utils/_pcluster/render.py"
HOOK = "plugins/module_utils/_pcluster/hook.py"
BUILD = "roles/software_volume/tasks/build.yml"
PLAN = "plugins/plugin_utils/seed_info.py"
ENVIRONMENTS = "roles/python_environments/tasks/install.yml"
CONTAINERS = "roles/containers/tasks/install.yml"
WRAPPER = "roles/containers/templates/program.sh.j2"
SPACK = "roles/software_volume/tasks/spack.yml"
# SPACK hands them on whole.
STACKS = "plugins/module_utils/_spack/model.py"
CACHE = "plugins/module_utils/_buildcache/naming.py"
SITE_FILES = "plugins/plugin_utils/site_files.py"
LOOK_UP = "plugins/module_utils/_lookup/sources.py"
LOCAL_LOOK_UP = "roles/snapshots/tasks/local/lookup.yml"
AWS_LOOK_UP = "roles/snapshots/tasks/aws/lookup.yml"
AWS_HOST = "roles/build_host/tasks/aws/host.yml"

#: What acts on a key: a file, and how the value is read there.
CONSUMERS = {
    "cluster.name": (RENDER, "seed.cluster.name"),
    "cluster.region": (PLAN, 'seed["cluster"]["region"]'),
    "cluster.provider": (PLAN, 'seed["cluster"]["provider"]'),
    "cluster.os": (AWS_LOOK_UP, "seed.cluster.os"),
    "cluster.architecture": (AWS_LOOK_UP, "seed.cluster.architecture"),
    "compute.head_node": (RENDER, "compute.head_node"),
    "compute.custom_ami": (RENDER, "compute.custom_ami"),
    "software.use_custom_ami": ("roles/machine_image/vars/main.yml", "seed.software.use_custom_ami"),
    "compute.queues[].name": (RENDER, "queue.name"),
    "compute.queues[].instance_types": (RENDER, "queue.instance_types"),
    "compute.queues[].min_count": (RENDER, "queue.min_count"),
    "compute.queues[].max_count": (RENDER, "queue.max_count"),
    "compute.queues[].spot": (RENDER, "queue.spot"),
    "shared_storage[].name": (RENDER, "entry.name"),
    "shared_storage[].storage_type": (RENDER, "entry.storage_type"),
    "shared_storage[].mount_dir": (PLAN, 'volume["mount_dir"]'),
    "shared_storage[].ebs_settings.volume_type": (RENDER, "ebs.volume_type"),
    "shared_storage[].ebs_settings.size": (PLAN, 'volume["size_gb"]'),
    "shared_storage[].ebs_settings.iops": (RENDER, "ebs.iops"),
    "shared_storage[].ebs_settings.throughput": (RENDER, "ebs.throughput"),
    "shared_storage[].ebs_settings.encrypted": (RENDER, "ebs.encrypted"),
    "shared_storage[].ebs_settings.kms_key_id": (RENDER, "ebs.kms_key_id"),
    "software.in_ami[]": ("roles/software_volume/tasks/build.yml", "seed.software.in_ami"),
    "software.spack_packages[]": (SPACK, "seed.software.spack_packages"),
    "software.stacks[].name": (STACKS, 'given["name"]'),
    "software.stacks[].packages[]": (STACKS, 'given["packages"]'),
    "software.stacks[].compiler": (STACKS, 'given["compiler"]'),
    "software.stacks[].mpi": (STACKS, 'given["mpi"]'),
    "software.stacks[].target": (STACKS, 'given.get("target")'),
    "software.spack.version": (BUILD, "seed.software.spack.version"),
    "software.spack.packages": (BUILD, "seed.software.spack.packages"),
    "software.spack.target": (BUILD, "seed.software.spack.target"),
    "software.spack.padded_length": (BUILD, "seed.software.spack.padded_length"),
    "software.spack.config": (PLAN, "seed.software.spack.config"),
    "software.spack.repos[].path": (PLAN, "one.path"),
    "software.spack.repos[].git": (PLAN, "one.git"),
    "software.spack.repos[].ref": (PLAN, "one.ref"),
    "software.compiler": (BUILD, "seed.software.compiler"),
    "software.build_from_source[]": (SPACK, "seed.software.build_from_source"),
    "software.build_parallel": (SPACK, "seed.software.build_parallel"),
    "software.binary_cache.s3_bucket": (CACHE, "s3_bucket"),
    "software.binary_cache.s3_prefix": (CACHE, "s3_prefix"),
    "software.binary_cache.s3_region": (CACHE, "s3_region"),
    "software.containers[].name": (CONTAINERS, "item.name"),
    "software.containers[].version": (CONTAINERS, "item.version"),
    "software.containers[].image": (CONTAINERS, "item.image"),
    "software.containers[].modules": (CONTAINERS, "item.modules"),
    "software.containers[].env": (WRAPPER, "container.env"),
    "software.containers[].gpu": (WRAPPER, "container.gpu"),
    "software.containers[].binds[]": (WRAPPER, "container.binds"),
    "software.python_environments[].name": (ENVIRONMENTS, "item.name"),
    "software.python_environments[].version": (ENVIRONMENTS, "item.version"),
    "software.python_environments[].default": (ENVIRONMENTS, "item.default"),
    "software.python_environments[].python": (ENVIRONMENTS, "item.python"),
    "software.python_environments[].packages[]": (ENVIRONMENTS, "item.packages"),
    "software.python_environments[].as_of": (ENVIRONMENTS, "item.as_of"),
    "software.python_environments[].build[]": (ENVIRONMENTS, "item.build"),
    "software.modules[]": (SITE_FILES, "seed.software.modules"),
    "software.lmod.version": (BUILD, "seed.software.lmod.version"),
    "software.build.instance_type": (AWS_HOST, "seed.software.build.instance_type"),
    "software.build.spot": (AWS_HOST, "seed.software.build.spot"),
    "software.build.timeout": (PLAN, 'found["build_timeout_s"]'),
    "users[].name": (HOOK, "user.name"),
    "users[].uid": (HOOK, "user.uid"),
    "users[].gid": (HOOK, "user.gid"),
    "data.s3_mounts[].bucket": (HOOK, "mount.bucket"),
    "data.s3_mounts[].mount_point": (HOOK, "mount.mount_point"),
    "snapshot_sources[].type": (LOOK_UP, 'value["type"]'),
    "snapshot_sources[].priority": (LOOK_UP, 'value["priority"]'),
    "snapshot_sources[].account": (LOOK_UP, 'value.get("account")'),
    "snapshot_sources[].store": (LOOK_UP, 'value.get("store")'),
    "snapshot_sources[].enabled": (LOOK_UP, 'value.get("enabled")'),
    "tier": ("plugins/module_utils/_tiers/choice.py", 'seed["tier"]'),
    "registry.use_public_snapshots": (AWS_LOOK_UP, "registry.use_public_snapshots"),
    "registry.trusted_accounts[]": (AWS_LOOK_UP, "seed.registry.trusted_accounts"),
    "registry.url": ("roles/registry/vars/main.yml", "seed.registry.url"),
}

#: The form of the file itself: another one is refused.
FORM = "schema"

#: How a value is called where the model hands it on under a name of its own.
RENAMED = {
    "shared_storage[].ebs_settings.size": "size_gb",
    "software.build.timeout": "build_timeout_s",
}


def keys(shape: Shape, path: str = "") -> Iterator[str]:
    """The paths of everything in a shape that has no keys of its own."""
    if isinstance(shape, Record):
        for name, key in shape.keys.items():
            yield from keys(key.shape, f"{path}.{name}" if path else name)
    elif isinstance(shape, Array) and path.rpartition(".")[2] != "instance_types":
        yield from keys(shape.entries, f"{path}[]")
    else:
        yield path


KEYS = [path for path in keys(schema.SEED) if path != FORM]


def test_another_form_of_the_file_is_refused() -> None:
    assert list(faults(changed(LOCAL, FORM, 2))) == [FORM]


@pytest.mark.parametrize("path", KEYS)
def test_every_key_is_acted_on(path: str) -> None:
    assert path in CONSUMERS, "name its reader in CONSUMERS"


def test_no_reader_of_a_key_that_there_is_not() -> None:
    assert sorted(set(CONSUMERS) - set(KEYS)) == []


@pytest.mark.parametrize("path", CONSUMERS)
def test_its_reader_reads_it(path: str) -> None:
    name, expression = CONSUMERS[path]
    assert "_seed/" not in name, "what checks a key does not act on it"
    key = path.rpartition(".")[2].removesuffix("[]")
    assert RENAMED.get(path, key) in expression
    assert expression in (ROOT / name).read_text()
