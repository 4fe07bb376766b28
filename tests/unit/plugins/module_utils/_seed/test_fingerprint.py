"""The fingerprint: what decides it, what does not, and that it never changes unnoticed."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from seed_samples import DELETE, FULL, LOCAL, changed, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint as fp
from ansible_collections.petal.hpc.plugins.module_utils._seed import rules
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_file import parse_seed

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TWO = changed(
    LOCAL,
    "software",
    "python_environments",
    [
        {"name": "scipy-stack", "version": "1", "packages": ["numpy==2.2.*", "scipy"]},
        {"name": "scipy-stack", "version": "2", "default": True, "packages": ["numpy==2.3.*", "scipy"]},
    ],
)

#: Digests that stand for ever. If one of these changes, volumes out there are lost: raise fingerprint.VERSION.
FROZEN = {
    "full": (FULL, "sha256:42584bba0d9a86d0cd9dd5bafc5c42e19b71870f0cf91b02a34c1f45b3ca776f"),
    "local": (LOCAL, "sha256:9647f7a01ae512327a1ae0039eb0e441cf1e95349d48389fd76174166bf094ea"),
    "environments": (TWO, "sha256:7c2d07c242679fc9832cfc2d14c79c5e58e078cc34949ef8e87cdddabf56a92d"),
    "empty": ({"cluster": {"name": "x"}}, "sha256:ed430694ac6ea2748978dd115901e9d83373dc51bccf4460010e7c88a1bb0401"),
}


def of(data: dict[str, Any], **refs: str) -> str:
    return fp.fingerprint(seed(data), refs)


@pytest.mark.parametrize("name", FROZEN)
def test_known_digests(name: str) -> None:
    data, digest = FROZEN[name]
    assert of(data) == digest


def test_canonical_json() -> None:
    assert fp.digest({"b": [1, None, True], "a": "é"}) == (
        "sha256:9f7d338ad91483cf3fce982c954777f9009f687e66fdc4b8033df92f8f341cf6"
    )


DECIDES: list[tuple[Any, ...]] = [
    ("cluster", "os", "rocky9"),
    ("shared_storage", 0, "mount_dir", "/sw"),
    ("software", "spack_packages", ["gcc@11.3.0"]),
    ("software", "spack_packages", 3, "hdf5@1.14 ~mpi api=v18"),
    ("software", "spack", "version", "v1.2.0"),
    ("software", "spack", "packages", "v2026.03.0"),
    ("software", "spack", "target", "x86_64_v4"),
    ("software", "spack", "padded_length", 256),
    ("software", "compiler", "gcc@12.3.0"),
    ("software", "build_from_source", []),
    ("software", "in_ami", []),
    ("software", "containers", []),
    ("software", "containers", 0, "name", "other"),
    ("software", "containers", 0, "image", "registry/bio:v2"),
    ("software", "containers", 0, "modules", ["samtools"]),
    ("software", "python_environments", []),
    ("software", "python_environments", 0, "name", "other"),
    ("software", "python_environments", 0, "version", "2026.2"),
    ("software", "python_environments", 0, "default", False),
    ("software", "python_environments", 0, "python", "3.12"),
    ("software", "python_environments", 0, "packages", ["numpy==2.3.*", "scipy"]),
    ("software", "lmod", "version", "8.7.59"),
]

DOES_NOT: list[tuple[Any, ...]] = [
    ("schema", DELETE),
    ("cluster", "name", "other"),
    ("cluster", "region", "eu-west-1"),
    ("compute", "head_node", "c5.large"),
    ("compute", "custom_ami", DELETE),
    ("compute", "queues", [{"name": "q", "instance_types": ["m5.large"]}]),
    ("shared_storage", 0, "name", "sw"),
    ("shared_storage", 0, "ebs_settings", DELETE),
    ("software", "use_custom_ami", True),
    ("software", "build_parallel", False),
    ("software", "binary_cache", DELETE),
    ("software", "build", DELETE),
    ("users", DELETE),
    ("data", DELETE),
    ("snapshot_sources", DELETE),
    ("registry", DELETE),
]


@pytest.mark.parametrize("change", DECIDES, ids=str)
def test_what_decides_the_bytes_decides_the_fingerprint(change: tuple[Any, ...]) -> None:
    assert of(changed(FULL, *change)) != of(FULL)


@pytest.mark.parametrize("change", DOES_NOT, ids=str)
def test_nothing_else_does(change: tuple[Any, ...]) -> None:
    assert of(changed(FULL, *change)) == of(FULL)


def test_every_key_is_in_one_of_the_two_lists() -> None:
    """Whoever adds a key must say whether it decides bytes."""
    # Decided elsewhere: the provider only by what it entails, the architecture below.
    known = {("cluster", "provider"), ("cluster", "architecture"), ("shared_storage", 0, "storage_type")}
    listed = [tuple(change[:-1]) for change in (*DECIDES, *DOES_NOT)] + list(known)

    def check(value: Any, path: tuple[Any, ...]) -> None:
        if path in listed:
            return
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        assert isinstance(value, (dict, list)), path
        for key, child in children:
            check(child, (*path, key))

    check(FULL, ())


def test_architectures_never_collide() -> None:
    arm = fp.fingerprint(seed(LOCAL, Host("debian12", "arm64")))
    assert arm != of(LOCAL)
    # Even where the target is the same text.
    same = changed(LOCAL, "software", "spack", "target", "x86_64_v3")
    assert fp.fingerprint(seed(same, Host("debian12", "arm64"))) != fp.fingerprint(seed(same))


def test_the_provider_does_not_matter() -> None:
    local = {"cluster": {"name": "x", "os": "rocky9"}, "software": FULL["software"]}
    aws = changed(FULL, "cluster", "os", "rocky9")
    assert of(local) == of(aws)


def test_settings_of_spack_do_not_matter_where_it_is_not_used() -> None:
    data = changed(TWO, "software", "spack_packages", DELETE)
    assert fp.content(seed(data))["spack"] is None
    assert of(data) == of(changed(data, "software", "spack", {"version": "v0.23.1", "target": "zen3"}))
    assert of(data) == of(changed(data, "software", "compiler", "gcc@12"))


@pytest.mark.parametrize("data", [FULL, LOCAL, TWO])
def test_defaults_written_out_change_nothing(data: dict[str, Any]) -> None:
    assert of(seed(data).to_dict()) == of(data)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("hdf5@1.14 +mpi api=v18", "hdf5  @1.14   api='v18'   +mpi"),
        ("zlib +a ~b", "zlib -b +a"),
        ("samtools@1.17 ^htslib+libcurl", "samtools @1.17 ^htslib +libcurl"),
    ],
)
def test_spelling_of_specs_does_not_matter(one: str, two: str) -> None:
    specs = ["cmake", one]
    assert of(changed(LOCAL, "software", "spack_packages", specs)) == of(
        changed(LOCAL, "software", "spack_packages", [two, "cmake", "cmake"])
    )


def test_spelling_of_requirements_does_not_matter() -> None:
    one = changed(TWO, "software", "python_environments", 0, "packages", ["NumPy == 2.2.*", "SciPy"])
    two = changed(TWO, "software", "python_environments", 0, "packages", ["scipy", "numpy==2.2.*", "scipy"])
    assert of(one) == of(two) == of(TWO)


def test_branches_count_by_their_commit_and_releases_by_their_name() -> None:
    branch = changed(LOCAL, "software", "spack", "version", "develop")
    commit = changed(LOCAL, "software", "spack", "version", COMMIT)
    assert of(branch, spack=COMMIT) == of(commit) != of(branch)
    assert of(LOCAL, spack=COMMIT, packages=COMMIT) == of(LOCAL)
    assert not rules.is_pinned("develop")
    assert not rules.is_pinned("releases/v1.1")


# -- the file's form never matters ------------------------------------------------------------------------------


def shuffled(value: Any, rng: random.Random) -> Any:
    """The same data with the keys of every mapping in another order."""
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {key: shuffled(entry, rng) for key, entry in items}
    return [shuffled(entry, rng) for entry in value] if isinstance(value, list) else value


def written(data: Any, rng: random.Random) -> str:
    """The same data as YAML in one of many forms."""

    class Dumper(yaml.SafeDumper):
        """Quotes texts at random."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=rng.choice([None, "'", '"']))

    Dumper.add_representer(str, text)
    result: str = yaml.dump(
        shuffled(data, rng),
        Dumper=Dumper,
        sort_keys=False,
        default_flow_style=rng.choice([None, False, True]),
        indent=rng.choice([2, 4, 7]),
        width=rng.choice([20, 80, 1000]),
        explicit_start=rng.random() < 0.5,
    )
    return result


@given(st.randoms(use_true_random=False), st.sampled_from([FULL, LOCAL, TWO]))
def test_key_order_comments_quotes_and_spaces_do_not_matter(rng: random.Random, data: dict[str, Any]) -> None:
    before = copy.deepcopy(data)
    lines = written(data, rng).splitlines()
    # Behind a line that ends a value, a comment and empty lines may stand.
    lines = [line + ("   # a comment\n\n" if line[-1:] in "]},:'\"" and rng.random() < 0.3 else "") for line in lines]
    text = "\n".join(lines)
    again = parse_seed(f"# {rng.random()}\n{text}\n".encode()).data
    assert fp.fingerprint(seed(again)) == of(data)
    assert data == before
