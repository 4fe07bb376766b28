"""Seeds as a whole: what is accepted, what is refused, and the defaults."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seed_samples import DELETE, FULL, HOST, LOCAL, changed, faults, problems, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import model, schema
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Array, Record, SourceMap, Unquoted


def test_every_key_is_accepted_and_kept() -> None:
    assert problems(FULL) == []
    canonical = changed(FULL, "software", "spack_packages", 3, "hdf5@1.14+mpi api=v18")
    assert seed(FULL).to_dict() == canonical


def test_stacks_are_in_canonical_form() -> None:
    stack = {
        "name": "a",
        "packages": ["hdf5 @1.14", "hdf5@1.14"],
        "mpi": "mpich  +x",
        "compiler": "gcc @14",
        "target": None,
    }
    found = seed(changed(LOCAL, "software", "stacks", [stack, {"name": "b", "mpi": "openmpi"}])).to_dict()["software"]
    assert found["stacks"] == [
        {"name": "a", "packages": ["hdf5@1.14"], "compiler": "gcc@14", "mpi": "mpich+x", "target": None},
        {"name": "b", "packages": [], "compiler": None, "mpi": "openmpi", "target": None},
    ]
    # The compiler of all is not that of a stack.
    assert found["compiler"] is None


def test_defaults_of_provider_local() -> None:
    plain = seed({"cluster": {"name": "x"}}, Host("rocky9", "arm64")).to_dict()
    assert plain["cluster"] == {
        "name": "x",
        "region": None,
        "provider": "local",
        "os": "rocky9",
        "architecture": "arm64",
    }
    assert plain["compute"] is None
    assert plain["shared_storage"] == [
        {
            "name": "software",
            "storage_type": "Ebs",
            "mount_dir": "/shared",
            "ebs_settings": {
                "volume_type": "gp3",
                "size": 100,
                "iops": 3000,
                "throughput": 125,
                "encrypted": False,
                "kms_key_id": None,
            },
        }
    ]
    assert plain["software"]["spack"]["target"] == "aarch64"
    assert plain["software"]["build"] == {"instance_type": "c7g.4xlarge", "spot": True, "timeout": "12h"}
    assert plain["snapshot_sources"] == [
        {"type": "local", "priority": 1, "account": None, "enabled": True, "store": None}
    ]


def test_defaults_of_provider_aws() -> None:
    plain = seed(
        {
            "cluster": {"name": "x", "region": "eu-west-1"},
            "compute": {"head_node": "c7g.large", "queues": [{"name": "q", "instance_types": ["hpc7g.16xlarge"]}]},
        }
    ).to_dict()
    assert plain["cluster"]["provider"] == "aws"
    assert (plain["cluster"]["os"], plain["cluster"]["architecture"]) == ("alinux2023", "arm64")
    assert plain["shared_storage"][0]["ebs_settings"]["size"] == 500
    assert plain["shared_storage"][0]["ebs_settings"]["encrypted"] is True
    assert plain["compute"]["queues"][0] == {
        "name": "q",
        "instance_types": ["hpc7g.16xlarge"],
        "min_count": 0,
        "max_count": 10,
        "spot": False,
    }


def test_the_first_compiler_among_the_packages_builds_the_rest() -> None:
    packages = ["zlib", "llvm@17 +clang", "gcc@12"]
    assert seed(changed(LOCAL, "software", "spack_packages", packages)).software.compiler == "llvm@17+clang"
    assert seed(LOCAL).software.compiler is None
    assert seed(changed(LOCAL, "software", "compiler", "gcc@13")).software.compiler == "gcc@13"


@pytest.mark.parametrize(
    ("version", "packages"),
    [
        (None, model.DEFAULT_SPACK_PACKAGES_REF),
        ("develop", model.DEFAULT_SPACK_PACKAGES_REF),
        ("9" * 40, model.DEFAULT_SPACK_PACKAGES_REF),
        ("v1.2.0", model.DEFAULT_SPACK_PACKAGES_REF),
        ("v1.1.0", "v2025.11.0"),
        ("releases/v1.1", "v2025.11.0"),
        ("v1.0.2", "v2025.07.0"),
    ],
)
def test_packages_fit_the_release_of_spack(version: str | None, packages: str) -> None:
    found = seed(changed(LOCAL, "software", "spack", {"version": version} if version else {}))
    assert found.software.spack.packages == packages
    assert seed(found.to_dict()) == found


def test_version_of_an_environment() -> None:
    environments = [{"name": "a"}, {"name": "b", "python": "3.12"}, {"name": "c", "python": "3.12", "version": "1"}]
    built = seed(changed(LOCAL, "software", "python_environments", environments)).software.python_environments
    assert [environment.version for environment in built] == ["default", "3.12", "1"]


def test_what_is_built_from_source_has_one_spelling() -> None:
    environment = {"name": "a", "packages": ["mpi4py", "h5py"], "build": ["MPI4Py", "ruamel_yaml", "mpi4py"]}
    (built,) = seed(changed(LOCAL, "software", "python_environments", [environment])).software.python_environments
    assert built.build == ("mpi4py", "ruamel-yaml")


def test_sources_of_strangers_are_off_unless_asked_for() -> None:
    kinds = ("local", "organization", "official", "community")
    sources: list[dict[str, Any]] = [{"type": kind, "priority": i + 1} for i, kind in enumerate(kinds)]
    sources[1]["account"] = "123456789012"
    built = seed(changed(LOCAL, "snapshot_sources", sources)).snapshot_sources
    assert [source.enabled for source in built] == [True, True, False, False]


@pytest.mark.parametrize("data", [FULL, LOCAL])
def test_a_normalised_seed_is_a_seed_and_stays_the_same(data: Mapping[str, Any]) -> None:
    once = seed(data)
    assert seed(once.to_dict()) == once
    assert json.loads(json.dumps(once.to_dict())) == once.to_dict()


def test_validation_does_not_change_its_input() -> None:
    data = copy.deepcopy(FULL)
    seed(data).to_dict()["cluster"]["name"] = "other"
    assert data == FULL


def test_a_seed_cannot_be_changed() -> None:
    built = seed(FULL)
    for name in ("name", "unknown"):
        with pytest.raises(FrozenInstanceError):
            setattr(built.cluster, name, "other")
    hash(built.software)


def test_the_software_volume() -> None:
    volumes = [{"name": "scratch", "mount_dir": "/scratch"}, {"name": "software", "mount_dir": "/sw"}]
    assert seed(changed(LOCAL, "shared_storage", volumes)).software_volume.mount_dir == "/sw"
    assert seed(changed(LOCAL, "shared_storage", volumes[:1])).software_volume.mount_dir == "/scratch"


PATHS: list[tuple[Any, ...]] = []


def _leaves(value: Any, path: tuple[Any, ...]) -> None:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            _leaves(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            _leaves(entry, (*path, index))
    PATHS.append(path)


_leaves(FULL, ())
WRONG: tuple[Any, ...] = (3.1, 10**5000, {"a": 1}, [1], "\x1b[31m", "{{ lookup('pipe', 'id') }}", -1, b"bytes")


@pytest.mark.parametrize("path", PATHS[:-1], ids=str)
@pytest.mark.parametrize("wrong", WRONG, ids=["float", "huge", "map", "list", "control", "template", "minus", "bytes"])
def test_wrong_values_are_found_at_every_path(path: tuple[Any, ...], wrong: Any) -> None:
    found = problems(changed(FULL, *path, wrong))
    assert found
    name = ".".join(str(part) for part in path).replace(".0", "[0]")
    assert any(problem.path.startswith(path_prefix(path)) for problem in found), (name, found)
    assert all("\x1b" not in str(problem.to_dict().values()) for problem in found)


def path_prefix(path: tuple[Any, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def test_all_problems_are_reported_together() -> None:
    data = {
        "cluster": {"nam": "x", "region": "mars", "os": "al2032"},
        "software": {"spack_packages": ["zlib@@", 3.1], "python_environments": [{"name": "a", "python": 3.1}]},
        "user": [],
    }
    assert set(faults(data)) == {
        "cluster.nam",
        "cluster.name",
        "cluster.region",
        "cluster.os",
        "software.spack_packages[0]",
        "software.spack_packages[1]",
        "software.python_environments[0].python",
        "user",
    }


def test_the_nearest_key_is_named() -> None:
    found = {problem.path: problem.hint for problem in problems({"clustre": {}, "cluster": {"naem": "x", "name": "x"}})}
    assert found["clustre"] == "did you mean cluster?"
    assert found["cluster.naem"] == "did you mean name?"


FORMER: list[tuple[tuple[Any, ...], str]] = [
    (("compute", "queues", 0, "capacity_type"), "write spot: true for SPOT"),
    (("compute", "queues", 0, "instanceType"), "write instance_types"),
    (("compute", "queues", 0, "min"), "write min_count"),
    (("compute", "queues", 0, "max"), "write max_count"),
    (("compute", "queues", 0, "desired"), "leave it out"),
    (("compute", "ami"), "write custom_ami"),
    (("software", "binary_cache", "bucket"), "write s3_bucket"),
    (("template",), "the file itself is the seed"),
    (("spack_packages",), "belongs into software"),
]


@pytest.mark.parametrize(("path", "hint"), FORMER, ids=str)
def test_words_from_elsewhere_have_a_hint(path: tuple[Any, ...], hint: str) -> None:
    (problem,) = problems(changed(FULL, *path, "SPOT"))
    assert problem.path == path_prefix(path)
    assert hint in problem.hint


def former_words(shape: Any) -> Iterator[tuple[Record, str]]:
    """Every former word of a shape and of what is inside."""
    if isinstance(shape, Record):
        yield from ((shape, word) for word in shape.former)
        for key in shape.keys.values():
            yield from former_words(key.shape)
    elif isinstance(shape, Array):
        yield from former_words(shape.entries)


def test_no_former_word_is_a_key_of_today() -> None:
    words = list(former_words(schema.SEED))
    assert len(words) > 30
    for record, word in words:
        assert word not in record.keys
        # As it is looked for.
        assert word == word.lower()


def test_a_seed_may_be_for_a_build_alone() -> None:
    plain = seed({"cluster": {"name": "x", "region": "eu-west-1"}}).to_dict()
    assert (plain["compute"], plain["cluster"]["architecture"]) == (None, "x86_64")
    head = seed(changed(FULL, "compute", {"head_node": "t3.xlarge"})).compute
    assert head is not None
    assert head.queues == ()
    # Without nodes the build host tells.
    arm = {"cluster": {"name": "x", "region": "eu-west-1"}, "software": {"build": {"instance_type": "c7g.large"}}}
    assert seed(arm).cluster.architecture == "arm64"


@pytest.mark.parametrize("prefix", ["caches/bio", "/caches/bio", "caches/bio/", "/caches/bio/"])
def test_slashes_at_the_ends_of_a_prefix_mean_nothing(prefix: str) -> None:
    found = seed(changed(FULL, "software", "binary_cache", "s3_prefix", prefix))
    assert found.software.binary_cache is not None
    assert found.software.binary_cache.s3_prefix == "caches/bio"


def test_account_ids_need_no_quotes() -> None:
    found = seed(
        changed(
            changed(FULL, "registry", "trusted_accounts", [999888777666]),
            "snapshot_sources",
            [{"type": "organization", "priority": 2, "account": 123456789012}],
        )
    )
    assert found.registry.trusted_accounts == ("999888777666",)
    assert found.snapshot_sources[0].account == "123456789012"
    (problem,) = problems(changed(FULL, "registry", "trusted_accounts", [12345678901]))
    assert problem.hint.startswith("quote it: one that begins with 0")


def test_a_registry_on_github_in_short() -> None:
    found = seed(changed(FULL, "registry", "url", "lab/petal-snapshots"))
    assert found.registry.url == "https://raw.githubusercontent.com/lab/petal-snapshots/main"


@pytest.mark.parametrize("value", [3.10, 3, True])
def test_texts_must_be_quoted(value: Any) -> None:
    (problem,) = problems(changed(LOCAL, "software", "python_environments", [{"name": "a", "python": value}]))
    assert problem.hint.startswith("quote it: ")


def test_what_was_written_is_shown_not_what_yaml_made_of_it() -> None:
    path = ("software", "python_environments", 0, "python")
    source = SourceMap("x.yaml", {path: 7}, {path: "3.10"})
    with pytest.raises(SeedError) as caught:
        Seed.from_mapping(
            changed(LOCAL, "software", "python_environments", [{"name": "a", "python": 3.1}]), HOST, source
        )
    (problem,) = caught.value.problems
    assert (problem.line, problem.value, problem.hint) == (7, "3.10", 'quote it: "3.10"')
    assert str(caught.value).startswith("x.yaml: software.python_environments[0].python (line 7): ")


def test_dates_are_no_texts() -> None:
    (problem,) = problems(changed(LOCAL, "cluster", "name", Unquoted("2026-01-01", "a date")))
    assert "a date" in problem.message
    assert problem.hint == 'quote it: "2026-01-01"'


def test_numbers_are_no_booleans_and_booleans_no_numbers() -> None:
    assert "users[0].uid" in faults(changed(FULL, "users", 0, "uid", True))
    assert "software.build.spot" in faults(changed(FULL, "software", "build", "spot", 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_any_data_is_a_seed_or_a_seed_error(data: Any) -> None:
    problems(data)


@given(st.sampled_from(PATHS[:-1]), JSON)
def test_any_value_anywhere_is_good_or_a_seed_error(path: tuple[Any, ...], value: Any) -> None:
    problems(changed(FULL, *path, value))


@given(st.sampled_from([path for path in PATHS[:-1] if isinstance(path[-1], str)]))
def test_without_any_one_key_it_is_a_seed_or_a_seed_error(path: tuple[Any, ...]) -> None:
    problems(changed(FULL, *path, DELETE))
