"""What the keys of a seed must mean together."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from seed_samples import DELETE, FULL, LOCAL, changed, faults, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import rules, software_rules, storage_rules
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host

TODAY = datetime.datetime.now(datetime.timezone.utc).date()
VOLUME = {"name": "software", "mount_dir": "/shared"}
QUEUE = {"name": "q", "instance_types": ["c5.large"]}


def volumes(*entries: dict[str, Any]) -> dict[str, Any]:
    return changed(FULL, "shared_storage", list(entries))


def ebs(**settings: Any) -> dict[str, Any]:
    return volumes({**VOLUME, "ebs_settings": settings})


def environments(*entries: dict[str, Any]) -> dict[str, Any]:
    return changed(LOCAL, "software", "python_environments", list(entries))


def packages(*specs: str) -> dict[str, Any]:
    return changed(LOCAL, "software", "spack_packages", list(specs))


def sources(*entries: dict[str, Any]) -> dict[str, Any]:
    return changed(LOCAL, "snapshot_sources", list(entries))


BROKEN: list[tuple[dict[str, Any], str, str]] = [
    (changed(FULL, "cluster", "region", DELETE), "cluster.region", "needs a region"),
    (changed(FULL, "cluster", "name", "1st"), "cluster.name", "no name"),
    (changed(FULL, "cluster", "name", "x" * 61), "cluster.name", "61 characters"),
    (changed(FULL, "cluster", "os", "debian12"), "cluster.os", "no images"),
    (changed(FULL, "cluster", "architecture", "arm64"), "compute.head_node", "is x86_64"),
    (
        changed(FULL, "compute", "queues", 0, "instance_types", ["c5.large", "c6g.large"]),
        "compute.queues[0].instance_types[1]",
        "is arm64",
    ),
    (changed(FULL, "software", "build", "instance_type", "c7g.large"), "software.build.instance_type", "is arm64"),
    (changed(FULL, "compute", "queues", 0, "min_count", 11), "compute.queues[0].min_count", "larger than max_count"),
    (changed(FULL, "compute", "queues", [QUEUE, QUEUE]), "compute.queues[1].name", "has this name"),
    (changed(FULL, "compute", "queues", 0, "name", "default"), "compute.queues[0].name", "no such queue"),
    (
        volumes(*({**VOLUME, "name": n, "mount_dir": f"/{n}"} for n in ("software", "a", "b", "c", "d", "e"))),
        "shared_storage",
        "at most five",
    ),
    (volumes({**VOLUME, "name": "a"}, {"name": "b", "mount_dir": "/b"}), "shared_storage", "must be named software"),
    (volumes(VOLUME, {**VOLUME, "mount_dir": "/b"}), "shared_storage[1].name", "has this name"),
    (volumes(VOLUME, {"name": "b", "mount_dir": "/shared"}), "shared_storage[1].mount_dir", "already"),
    (volumes(VOLUME, {"name": "b", "mount_dir": "/shared/x"}), "shared_storage[1].mount_dir", "nests"),
    (
        volumes({"name": "software", "mount_dir": "/shared/x"}, {"name": "b", "mount_dir": "/shared"}),
        "shared_storage[1].mount_dir",
        "nests",
    ),
    (volumes({**VOLUME, "name": "default"}), "shared_storage[0].name", "no such name"),
    (volumes({**VOLUME, "name": "x" * 31}), "shared_storage[0].name", "31 characters"),
    (ebs(iops=2999), "shared_storage[0].ebs_settings.iops", "out of bounds"),
    (ebs(iops=16001), "shared_storage[0].ebs_settings.iops", "out of bounds"),
    (ebs(size=10, iops=5001), "shared_storage[0].ebs_settings.iops", "size of the volume"),
    (ebs(throughput=751), "shared_storage[0].ebs_settings.throughput", "iops"),
    (ebs(throughput=1001, iops=16000), "shared_storage[0].ebs_settings.throughput", "out of bounds"),
    (ebs(volume_type="gp2", iops=3000), "shared_storage[0].ebs_settings.iops", "no such setting"),
    (ebs(volume_type="io2"), "shared_storage[0].ebs_settings.iops", "needs it"),
    (ebs(volume_type="io1", iops=5000, throughput=125), "shared_storage[0].ebs_settings.throughput", "no such setting"),
    (ebs(encrypted=False, kms_key_id="alias/x"), "shared_storage[0].ebs_settings.kms_key_id", "without encryption"),
    (
        changed(FULL, "data", "s3_mounts", [{"bucket": "abc", "mount_point": "/a"}] * 2),
        "data.s3_mounts[1].mount_point",
        "already",
    ),
    (packages("zlib target=aarch64"), "software.spack_packages[0]", "is for target=x86_64_v3"),
    (
        packages("zlib", "a ^zlib target=neoverse_v1:"),
        "software.spack_packages[1]",
        "zlib asks for target=neoverse_v1:",
    ),
    (packages("zlib target=ppc64le,aarch64"), "software.spack_packages[0]", "asks for target=ppc64le,aarch64"),
    (packages("zlib os=rocky9"), "software.spack_packages[0]", "asks for os=rocky9, the volume is for os=debian12"),
    (packages("zlib arch=linux-ubuntu22.04-x86_64"), "software.spack_packages[0]", "is for os=debian12"),
    (packages("zlib platform=darwin"), "software.spack_packages[0]", "is for platform=linux"),
    (packages("zlib os=fe"), "software.spack_packages[0]", "on every host"),
    (
        changed(LOCAL, "software", "build_from_source", ["zlib %gcc target=a64fx"]),
        "software.build_from_source[0]",
        "gcc asks for target=a64fx",
    ),
    (changed(LOCAL, "software", "compiler", "gcc@12 os=rocky8"), "software.compiler", "is for os=debian12"),
    (
        changed(packages("zlib target=zen3"), "cluster", "architecture", "arm64"),
        "software.spack_packages[0]",
        "is for target=aarch64",
    ),
    (
        changed(LOCAL, "software", "spack", {"target": "neoverse_v1"}),
        "software.spack.target",
        "no x86_64 processor can run it",
    ),
    (changed(LOCAL, "software", "spack", {"version": "v0.23.1"}), "software.spack.version", "before 1.0"),
    (changed(LOCAL, "software", "spack", {"version": "releases/v0.22"}), "software.spack.version", "before 1.0"),
    (changed(LOCAL, "software", "compiler", "clang@17"), "software.compiler", "no package of Spack 1.x"),
    (changed(LOCAL, "software", "compiler", "zlib"), "software.compiler", "no compiler"),
    (changed(LOCAL, "software", "compiler", "@12"), "software.compiler", "no Spack spec"),
    (environments({"name": "a"}, {"name": "a"}), "software.python_environments[1]", "another environment"),
    (
        environments({"name": "a", "python": "3.12"}, {"name": "a", "version": "3.12"}),
        "software.python_environments[1]",
        "another environment",
    ),
    (
        environments({"name": "a", "version": "1", "default": True}, {"name": "a", "default": True}),
        "software.python_environments[1].default",
        "the default already",
    ),
    (environments({"name": "a", "build": ["six"]}), "software.python_environments[0].build", "nothing is installed"),
    *(
        (
            environments({"name": "a", "packages": [f"Ours @ {url}"], "build": build}),
            f"software.python_environments[0].{where}",
            message,
        )
        for url, build, where, message in (
            ("git+https://example.org/ours@v1", [], "packages[0]", "this is built from source"),
            ("https://example.org/ours-1.tar.gz#sha256=0", ["six"], "packages[0]", "only wheels are taken"),
            ("https://example.org/ours-1-py3-none-any.whl", ["six", "ours"], "build[1]", "installed as it is"),
        )
    ),
    *(
        (
            environments({"name": "a", "packages": ["six"], "build": [name]}),
            "software.python_environments[0].build[0]",
            m,
        )
        for name, m in (
            ("six==1.17.0", "no name of a Python package"),
            ("six[all]", "no name of a Python package"),
            (":all:", "no name of a Python package"),
            ("--no-binary", "no name of a Python package"),
            ("six-", "no name of a Python package"),
            (7, "a number"),
        )
    ),
    (
        changed(environments({"name": "a"}), "software", "containers", [{"name": "a", "image": "a:1"}]),
        "software.containers[0].name",
        "collide",
    ),
    *(
        (environments({"name": "a", "as_of": day}), "software.python_environments[0].as_of", message)
        for day, message in (
            (str(TODAY + datetime.timedelta(days=2)), "in the future"),
            ("2026-02-30", "no day of the calendar"),
            ("20260201", "no day of the calendar"),
            ("last week", "no day of the calendar"),
            (20260201, "a number"),
            (datetime.datetime(2026, 2, 1), "stands here"),
        )
    ),
    (changed(FULL, "users", [{"name": "a", "uid": 1}, {"name": "a", "uid": 2}]), "users[1].name", "has this name"),
    (changed(FULL, "users", 0, "uid", 0), "users[0].uid", "out of bounds"),
    (changed(FULL, "users", 0, "uid", 60001), "users[0].uid", "out of bounds"),
    (changed(FULL, "users", 0, "name", "root"), "users[0].name", "belongs to the system"),
    (sources({"type": "organization", "priority": 1}), "snapshot_sources[0].account", "needs an account"),
    (sources({"type": "local", "priority": 1, "store": "/net/x"}), "snapshot_sources[0].store", "takes no store"),
    (
        sources({"type": "organization", "priority": 1, "store": "/net/x", "account": "123456789012"}),
        "snapshot_sources[0].store",
        "are two sources",
    ),
    (
        sources(*({"type": "organization", "priority": number, "store": "/net/x"} for number in (1, 2))),
        "snapshot_sources[1]",
        "twice",
    ),
    (sources({"type": "organization", "priority": 1, "store": "net/x"}), "snapshot_sources[0].store", "absolute"),
    (sources({"type": "organization", "priority": 1, "store": "/net/../etc"}), "snapshot_sources[0].store", "absolute"),
    (sources({"type": "organization", "priority": 1, "store": "s3://A_B/x"}), "snapshot_sources[0].store", "bucket"),
    (sources({"type": "organization", "priority": 1, "store": "s3://abc/../x"}), "snapshot_sources[0].store", "prefix"),
    (
        sources({"type": "local", "priority": 1, "account": "123456789012"}),
        "snapshot_sources[0].account",
        "takes no account",
    ),
    (
        sources({"type": "local", "priority": 1}, {"type": "official", "priority": 1}),
        "snapshot_sources[1].priority",
        "this priority",
    ),
    (sources({"type": "local", "priority": 1}, {"type": "local", "priority": 2}), "snapshot_sources[1]", "twice"),
    (sources({"type": "official", "priority": 1, "store": "/net/x"}), "snapshot_sources[0].store", "takes no store"),
    # What YAML makes of an unquoted 012345670123: an octal number, or one without its zero.
    (changed(FULL, "registry", "trusted_accounts", [1402433619]), "registry.trusted_accounts[0]", "no account id"),
    (changed(FULL, "registry", "trusted_accounts", [12345678901]), "registry.trusted_accounts[0]", "no account id"),
    (changed(FULL, "registry", "trusted_accounts", [-999888777666]), "registry.trusted_accounts[0]", "no account id"),
    (changed(FULL, "registry", "trusted_accounts", ["12345678901"]), "registry.trusted_accounts[0]", "no account id"),
    (changed(FULL, "registry", "trusted_accounts", [True]), "registry.trusted_accounts[0]", "true/false"),
    (sources({"type": "organization", "priority": 1, "account": 123}), "snapshot_sources[0].account", "no account id"),
]


@pytest.mark.parametrize(("data", "path", "message"), BROKEN, ids=[f"{path}: {text}" for _d, path, text in BROKEN])
def test_errors(data: dict[str, Any], path: str, message: str) -> None:
    found = faults(data)
    assert message in found.get(path, ""), found


@pytest.mark.parametrize(
    ("host", "path"), [(Host("fedora40", "x86_64"), "os"), (Host("debian12", "riscv64"), "architecture")]
)
def test_unknown_hosts_must_be_named(host: Host, path: str) -> None:
    assert set(faults(LOCAL, host)) == {f"cluster.{path}"}
    named = changed(changed(LOCAL, "cluster", "os", "rocky9"), "cluster", "architecture", "arm64")
    assert faults(named, host) == {}


WARNED: list[tuple[dict[str, Any], str, str]] = [
    (FULL, "compute.custom_ami", "legacy"),
    ({"cluster": {"name": "x"}}, "software", "nothing to install"),
    (changed(LOCAL, "software", "spack_packages", ["zlib+x+y", "zlib +y +x"]), "software.spack_packages[1]", "twice"),
    (changed(LOCAL, "software", "spack_packages", ["zlib/abc"]), "software.spack_packages[0]", "/hash"),
    (changed(LOCAL, "software", "compiler", "gcc@master"), "software.compiler", "@master moves"),
    *(
        (changed(LOCAL, "software", key, [f"a ^{text}"]), f"software.{key}[0]", f"{moving} moves")
        for key in ("spack_packages", "build_from_source")
        for text, moving in (
            ("zlib@develop", "@develop"),
            ("zlib@=main", "@=main"),
            ("zlib@git.develop=1.3", "@git.develop"),
            ("zlib@git.feature/x", "@git.feature/x"),
            ("zlib@1.2,master +pic", "@master"),
        )
    ),
    (changed(LOCAL, "software", "spack_packages", ["a dev_path=/x"]), "software.spack_packages[0]", "no fingerprint"),
    (
        environments({"name": "a", "packages": ["six"]}),
        "software.python_environments[0].packages",
        "six: a new release",
    ),
    (
        environments({"name": "a", "packages": [f"p{n}>=2" for n in range(20)]}),
        "software.python_environments[0].packages",
        "p7>=2 and 12 more: a new release",
    ),
    (environments({"name": "a", "as_of": str(TODAY)}), "software.python_environments[0].as_of", "not over"),
    *(
        (changed(LOCAL, *path, value), ".".join(path), "nothing reads it")
        for *path, value in (
            ("compute", {"head_node": "c5.large"}),
            ("software", "build", "instance_type", "c5.large"),
            ("software", "build", "spot", True),
            ("registry", "use_public_snapshots", True),
            ("registry", "trusted_accounts", ["123456789012"]),
        )
    ),
    (
        changed(LOCAL, "cluster", {"name": "x", "provider": "local", "region": "us-east-1"}),
        "cluster.region",
        "nothing reads it",
    ),
    (
        changed(LOCAL, "shared_storage", [{**VOLUME, "ebs_settings": {"iops": 3000}}]),
        "shared_storage[0].ebs_settings.iops",
        "nothing reads it",
    ),
    (
        changed(LOCAL, "shared_storage", [VOLUME, {"name": "data", "mount_dir": "/data"}]),
        "shared_storage[1]",
        "makes no other volumes",
    ),
    (packages("hdf5 %gcc@12.2.0 +pic"), "software.spack_packages[0]", "asked of the compiler"),
    (
        changed(LOCAL, "software", "build_from_source", ["a ^hdf5 %c=gcc cflags=-O3"]),
        "software.build_from_source[0]",
        "asked of the compiler",
    ),
    (packages("zlib", "hdf5 ^intel-oneapi-mpi"), "software.spack_packages[1]", "intel-oneapi-mpi is Intel's"),
    (packages("hdf5 %oneapi@2024"), "software.spack_packages[0]", "intel-oneapi-compilers is Intel's"),
    (changed(LOCAL, "software", "compiler", "aocc@5.0.0"), "software.compiler", "aocc is AMD's, who does not let it"),
    (
        changed(
            LOCAL,
            "software",
            "spack",
            {"config": {"packages": {"nvhpc": {"externals": [{"spec": "nvhpc@24.5", "prefix": "/opt/nvidia"}]}}}},
        ),
        "software.spack.config.packages.nvhpc",
        "nvhpc is NVIDIA's",
    ),
    (changed(LOCAL, "software", "spack", {"version": "develop"}), "software.spack.version", "branch"),
    (
        changed(FULL, "data", "s3_mounts", 0, "mount_point", "/shared"),
        "data.s3_mounts[0].mount_point",
        "hide the software volume",
    ),
    (
        changed(FULL, "data", "s3_mounts", 0, "mount_point", "/shared/envs"),
        "data.s3_mounts[0].mount_point",
        "hide the software volume",
    ),
    (
        changed(LOCAL, "shared_storage", [{**VOLUME, "ebs_settings": {"encrypted": True}}]),
        "shared_storage[0].ebs_settings",
        "does not encrypt",
    ),
]


@pytest.mark.parametrize(("data", "path", "message"), WARNED, ids=[f"{path}: {text}" for _d, path, text in WARNED])
def test_warnings(data: dict[str, Any], path: str, message: str) -> None:
    found = {warning.path: warning.message for warning in seed(data).warnings}
    assert message in found.get(path, ""), found


PINNED: list[dict[str, Any]] = [
    *(
        changed(LOCAL, "software", "spack_packages", [text])
        for text in (
            "zlib@1.3",
            "zlib@1.2:",
            "zlib@git." + "a1" * 20 + "=1.3",
            "zlib@" + "a1" * 20,
            "zlib@main commit=" + "a1" * 20,
        )
    ),
    environments({"name": "a", "packages": ["six", "numpy>=2"], "as_of": "2026-11-01"}),
    environments({"name": "a", "packages": ["six==1.17.0"]}),
    environments({"name": "a"}),
]


@pytest.mark.parametrize("data", PINNED, ids=str)
def test_what_is_pinned_needs_no_word(data: dict[str, Any]) -> None:
    assert seed(data).warnings == ()


def test_an_image_that_is_used_is_named() -> None:
    nameless = changed(changed(FULL, "compute", "custom_ami", DELETE), "software", "use_custom_ami", True)
    assert "names no image that has the software" in faults(nameless)["software.use_custom_ami"]
    named = changed(nameless, "compute", "custom_ami", "ami-0123456789abcdef0")
    assert "software.use_custom_ami" not in faults(named)
    assert (
        "an image is one of AWS"
        in faults(changed(LOCAL, "software", "use_custom_ami", True))["software.use_custom_ami"]
    )


@pytest.mark.parametrize(
    ("point", "hidden"),
    [
        ("/opt/shared", "/opt/shared"),
        ("/opt", "/opt/shared"),
        ("/opt/shared/spack", "/opt/shared/spack"),
        ("/opt/shared/spack/opt/x", "/opt/shared/spack"),
        ("/opt/shared/.petal", "/opt/shared/.petal"),
        ("/opt/shared/references", ""),
        ("/opt/shared/references/spack", ""),
        ("/opt/shared2", ""),
        ("/data", ""),
    ],
)
def test_what_a_mount_hides_of_the_software(point: str, hidden: str) -> None:
    assert storage_rules.what_is_hidden(point, "/opt/shared") == hidden


def test_buckets_below_the_volume_are_no_warning() -> None:
    below = changed(FULL, "data", "s3_mounts", 0, "mount_point", "/shared/references")
    assert not [warning for warning in seed(below).warnings if warning.path.startswith("data")]


def test_the_migration_guide_is_named() -> None:
    (warning,) = [warning for warning in seed(FULL).warnings if warning.path == "compute.custom_ami"]
    assert "docs/migrate-from-ami.md" in warning.hint


def test_ordinary_seeds_have_no_warnings() -> None:
    assert seed(LOCAL).warnings == ()


def test_what_is_a_vendors_is_named_once() -> None:
    given = changed(packages("zlib %nvhpc", "hdf5 %nvhpc"), "software", "compiler", "nvhpc@24.5")
    assert [warning.path for warning in seed(given).warnings] == ["software.spack_packages[0]"]


@pytest.mark.parametrize(
    "spec",
    [
        "zlib target=x86_64_v4",
        "zlib target=x86_64:",
        "zlib target=aarch64,x86_64",
        "zlib target=diamondlake",
        "zlib os=debian12 platform=linux",
        "zlib arch=linux-debian12-zen2",
        "hdf5+pic %gcc@12.2.0",
        "hdf5 %gcc@12 languages=c,fortran ^openmpi",
        "hdf5 %cmake +ownlibs",
    ],
)
def test_specs_that_fit_pass(spec: str) -> None:
    assert seed(packages(spec)).warnings == ()


def test_the_spec_that_is_meant_is_written_out() -> None:
    (warning,) = seed(packages("hdf5 %gcc@12.2.0 +pic ^openmpi")).warnings
    assert warning.hint.endswith("write: hdf5+pic %gcc@12.2.0 ^openmpi")


def test_an_os_by_spacks_name_of_it() -> None:
    for name, theirs in (("alinux2023", "amzn2023"), ("ubuntu2404", "ubuntu24.04"), ("rocky9", "rocky9")):
        data = changed(packages(f"zlib os={theirs}"), "cluster", "os", name)
        assert faults(data) == {}
    assert "software.spack_packages[0]" in faults(
        changed(packages("zlib os=alinux2023"), "cluster", "os", "alinux2023")
    )


def test_what_must_be_built_is_something_to_install() -> None:
    data = {"cluster": {"name": "x"}, "software": {"build_from_source": ["zlib"]}}
    assert seed(data).warnings == ()


def test_every_rule_is_in_force() -> None:
    named = {rule.__name__ for _level, rule in rules.RULES}
    helpers = {
        *("what_is_hidden", "environment_version", "is_pinned"),
        *("spec_lists", "installed_specs", "compilers"),
    }
    defined = {
        name
        for module in (rules, software_rules, storage_rules)
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and name.islower() and name[0] != "_"
    }
    assert len(defined) > 30
    assert defined - helpers == named


def test_limits_themselves_are_allowed() -> None:
    assert faults(ebs(size=32, iops=16000, throughput=1000)) == {}
    assert faults(ebs(volume_type="gp2")) == {}
