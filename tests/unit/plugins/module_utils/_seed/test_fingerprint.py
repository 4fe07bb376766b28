"""The fingerprint: what decides it, what does not, and that it never changes unnoticed."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from seed_samples import DELETE, FULL, LOCAL, changed, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint as fp
from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar, inputs
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Container, Program
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

EMPTY: dict[str, Any] = {"cluster": {"name": "x"}}
#: Everything that a site may set, away from its default.
SITE: dict[str, Any] = {
    "spack_os_tools": ["perl", "cmake"],
    "spack_packages_config": {"all": {"providers": {"mpi": ["openmpi"]}}},
    "spack_repositories": {"lab": "/srv/recipes"},
    "spack_repository_digests": {"lab": "sha256:" + "1" * 64},
    "python_environments_extra_index_urls": ["https://me:secret@example.org/simple"],
    "lmod_method": "source",
    "lmod_source_url": "https://example.org/lmod.tar.gz",
    "lmod_source_sha256": "2" * 64,
}

#: Digests of version 1 that stand for ever: volumes of it are out there.
FROZEN_1 = {
    "full": (FULL, "sha256:42584bba0d9a86d0cd9dd5bafc5c42e19b71870f0cf91b02a34c1f45b3ca776f"),
    "local": (LOCAL, "sha256:9647f7a01ae512327a1ae0039eb0e441cf1e95349d48389fd76174166bf094ea"),
    "environments": (TWO, "sha256:7c2d07c242679fc9832cfc2d14c79c5e58e078cc34949ef8e87cdddabf56a92d"),
    "empty": (EMPTY, "sha256:ed430694ac6ea2748978dd115901e9d83373dc51bccf4460010e7c88a1bb0401"),
}

#: Digests that stand for ever. If one of these changes, volumes out there are lost: raise fingerprint.VERSION.
FROZEN = {
    "full": (FULL, {}, "sha256:8aacb838f2bbcb19ede7ecc17680d5a8819f3b80f317edde1031473cc7cc89d8"),
    "local": (LOCAL, {}, "sha256:a6ef52216b4eee7be7bfbf29f93cffaded4912e294a7a91f56914662c70fe096"),
    "environments": (TWO, {}, "sha256:06b58c45ad1531353b27df34e5c0bfa9cfc35e29294f98936ad81e0c6a965ab9"),
    "empty": (EMPTY, {}, "sha256:fb49237d2cac4012c3f4f29aedcfd8e5d11e1b04306b41144e847a2960255b13"),
    "site": (FULL, SITE, "sha256:40d18e1e3e5a30ff98807abf0e9bd71ff19e895bd2b932a9c8a9ea89b9ae5f91"),
}


#: With an image whose digest says what it is.
CONTAINED = changed(
    FULL,
    "software",
    "containers",
    [{"name": "bio", "version": "1", "image": f"example.org/lab/bio@sha256:{'ab' * 32}", "modules": ["samtools"]}],
)


def of(data: dict[str, Any], **refs: str) -> str:
    return fp.fingerprint(seed(data), refs)


def with_site(data: dict[str, Any], **given: Any) -> str:
    valid = seed(data)
    return fp.fingerprint(valid, site=inputs.resolve(given, valid))


def older(data: dict[str, Any], **given: Any) -> list[str]:
    valid = seed(data)
    return fp.older(valid, site=inputs.resolve(given, valid))


@pytest.mark.parametrize("name", FROZEN)
def test_known_digests(name: str) -> None:
    data, given, digest = FROZEN[name]
    assert with_site(data, **given) == digest


@pytest.mark.parametrize("name", FROZEN_1)
def test_known_digests_of_version_1(name: str) -> None:
    data, digest = FROZEN_1[name]
    valid = seed(data)
    if name == "full":
        # What no seed may name yet was in it when it was frozen.
        programs = (Program("samtools/v1", "samtools"), Program("bwa/v1", "bwa"))
        images = (Container("bioinformatics", "registry/bio:v1", "v1", programs),)
        software = dataclasses.replace(valid.software, in_ami=("cmake@3.24",), containers=images)
        valid = dataclasses.replace(valid, software=software)
    assert fp.fingerprint_1(valid) == digest


def test_volumes_of_version_1_are_found_where_they_hold_what_the_seed_asks_for() -> None:
    for name in ("local", "environments", "empty"):
        data, digest = FROZEN_1[name]
        assert older(data) == [digest]
        # The defaults, written out.
        assert older(data, lmod_method="package", spack_os_tools=sorted(inputs.VARIABLES["spack_os_tools"])) == [digest]
    amazon = changed(LOCAL, "cluster", "os", "alinux2023")
    assert older(amazon) == older(amazon, lmod_method="spack") == [fp.fingerprint_1(seed(amazon))]


NOT_AS_VERSION_1: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (changed(LOCAL, "software", "stacks", [{"name": "a", "packages": ["zlib"]}]), {}),
    (changed(LOCAL, "software", "build_from_source", ["zlib"]), {}),
    (changed(TWO, "software", "python_environments", 0, "as_of", "2026-11-01"), {}),
    (changed(TWO, "software", "python_environments", 0, "build", ["scipy"]), {}),
    (LOCAL, {"lmod_method": "spack"}),
    (changed(LOCAL, "cluster", "os", "alinux2023"), {"lmod_method": "package"}),
    (LOCAL, {"spack_packages_config": {"all": {}}}),
    (LOCAL, {"spack_repositories": {"lab": "/x"}, "spack_repository_digests": {"lab": "sha256:1"}}),
    (TWO, {"python_environments_index_url": "https://example.org/simple"}),
    # Lmod by Spack alone, and another Spack than everybody's.
    ({"cluster": {"name": "x", "os": "alinux2023"}, "software": {"spack": {"version": "v1.1.0"}}}, {}),
    ({"cluster": {"name": "x", "os": "alinux2023"}, "software": {"compiler": "gcc@12"}}, {}),
]


@pytest.mark.parametrize(("data", "given"), NOT_AS_VERSION_1, ids=str)
def test_and_nowhere_else(data: dict[str, Any], given: dict[str, Any]) -> None:
    assert older(data, **given) == []


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
    ("software", "python_environments", []),
    ("software", "python_environments", 0, "name", "other"),
    ("software", "python_environments", 0, "version", "2026.2"),
    ("software", "python_environments", 0, "default", False),
    ("software", "python_environments", 0, "python", "3.12"),
    ("software", "python_environments", 0, "packages", ["numpy==2.3.*", "scipy"]),
    ("software", "python_environments", 0, "as_of", "2026-10-31"),
    ("software", "python_environments", 0, "as_of", DELETE),
    ("software", "python_environments", 0, "build", ["numpy"]),
    ("software", "lmod", "version", "8.7.59"),
]

STACK = {"name": "a", "packages": ["hdf5", "zlib"], "mpi": "mpich"}
STACKS = changed(LOCAL, "software", "stacks", [STACK, {"name": "b", "packages": ["zlib"]}])
DECIDES_OF_STACKS: list[tuple[Any, ...]] = [
    (DELETE,),
    ([STACK],),
    # The first that has a package has its plain name.
    (STACKS["software"]["stacks"][::-1],),
    (0, "name", "c"),
    (0, "packages", ["hdf5"]),
    (0, "mpi", "mpich@4"),
    (0, "mpi", DELETE),
    (0, "compiler", "gcc@14"),
    (0, "target", "x86_64_v4"),
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
    # Refused unless there is nothing in them.
    ("software", "use_custom_ami", DELETE),
    # Below, of a seed that has some.
    ("software", "stacks", DELETE),
    ("software", "in_ami", DELETE),
    ("software", "containers", DELETE),
    ("software", "build_parallel", False),
    ("software", "binary_cache", DELETE),
    ("software", "build", DELETE),
    ("users", DELETE),
    ("data", DELETE),
    ("snapshot_sources", DELETE),
    ("registry", DELETE),
    ("tier", "volume"),
]


@pytest.mark.parametrize("change", DECIDES, ids=str)
def test_what_decides_the_bytes_decides_the_fingerprint(change: tuple[Any, ...]) -> None:
    assert of(changed(FULL, *change)) != of(FULL)


@pytest.mark.parametrize("change", DECIDES_OF_STACKS, ids=str)
def test_all_of_a_stack_decides(change: tuple[Any, ...]) -> None:
    assert of(changed(STACKS, "software", "stacks", *change)) != of(STACKS)


def test_what_means_the_same_of_a_stack_does_not() -> None:
    assert of(changed(STACKS, "software", "stacks", 0, "packages", ["zlib", "hdf5", "zlib"])) == of(STACKS)
    assert of(changed(STACKS, "software", "stacks", 0, "compiler", None)) == of(STACKS)
    assert of(changed(LOCAL, "software", "stacks", [])) == of(LOCAL)


def test_spack_is_used_where_stacks_alone_ask_for_it() -> None:
    alone = changed(STACKS, "software", "spack_packages", [])
    assert fp.content(seed(alone))["spack"]["stacks"][1] == {"name": "b", "packages": ["zlib"]}


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
    # Even where the target is the same text, of which nobody knows whose it is.
    same = changed(LOCAL, "software", "spack", "target", "some_v9")
    assert fp.fingerprint(seed(same, Host("debian12", "arm64"))) != fp.fingerprint(seed(same))


def test_the_provider_does_not_matter() -> None:
    local = {"cluster": {"name": "x", "os": "rocky9"}, "software": FULL["software"]}
    aws = changed(FULL, "cluster", "os", "rocky9")
    assert of(local) == of(aws)


def test_settings_of_spack_do_not_matter_where_it_is_not_used() -> None:
    data = changed(TWO, "software", "spack_packages", DELETE)
    assert fp.content(seed(data))["spack"] is None
    assert of(data) == of(changed(data, "software", "spack", {"version": "v1.0.0", "target": "zen3"}))
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


def test_what_is_built_from_source_counts_by_its_normalised_names() -> None:
    def built(*names: str) -> str:
        return of(changed(TWO, "software", "python_environments", 0, "build", list(names)))

    assert built() == of(TWO)
    assert built("SciPy", "num_py") == built("num-py", "scipy", "scipy")
    assert len({built(), built("scipy"), built("numpy"), built("numpy", "scipy")}) == 4


def test_a_day_counts_in_quotes_and_without() -> None:
    text, day = "2026-11-01", datetime.date(2026, 11, 1)
    dated = changed(TWO, "software", "python_environments", 0, "as_of", text)
    assert of(dated) == of(changed(TWO, "software", "python_environments", 0, "as_of", day))
    assert of(parse_seed(yaml.safe_dump(dated).replace(f"'{text}'", text).encode()).data) == of(dated)
    assert seed(dated).to_dict()["software"]["python_environments"][0]["as_of"] == text


def test_branches_count_by_their_commit_and_releases_by_their_name() -> None:
    branch = changed(LOCAL, "software", "spack", "version", "develop")
    commit = changed(LOCAL, "software", "spack", "version", COMMIT)
    assert of(branch, spack=COMMIT) == of(commit) != of(branch)
    assert of(LOCAL, spack=COMMIT, packages=COMMIT) == of(LOCAL)
    assert not grammar.is_pinned("develop")
    assert not grammar.is_pinned("releases/v1.1")


# -- what a site decides ----------------------------------------------------------------------------------------

OTHER: dict[str, Any] = {
    name: not default
    if isinstance(default, bool)
    else {"x": 1}
    if isinstance(default, dict)
    else ["x"]
    if isinstance(default, list)
    else "x"
    for name, default in inputs.VARIABLES.items()
}


@pytest.mark.parametrize("name", inputs.VARIABLES)
def test_a_variable_that_decides_bytes_decides_the_fingerprint(name: str) -> None:
    assert with_site(CONTAINED, **{name: OTHER[name]}) != of(CONTAINED)
    assert with_site(CONTAINED, **{name: inputs.VARIABLES[name]}) == of(CONTAINED)


def test_a_variable_of_a_role_that_is_not_used_does_not() -> None:
    python_alone = changed(TWO, "software", "spack_packages", DELETE)
    for name in inputs.VARIABLES:
        used = not name.startswith(("spack_", "containers_"))
        assert (with_site(python_alone, **{name: OTHER[name]}) != of(python_alone)) == used
        used = not name.startswith(("python_", "containers_"))
        assert (with_site(LOCAL, **{name: OTHER[name]}) != of(LOCAL)) == used


def test_lmod_counts_as_it_comes() -> None:
    assert with_site(LOCAL, lmod_method="package") == of(LOCAL)
    methods = {with_site(LOCAL, lmod_method=method) for method in inputs.LMOD_METHODS}
    assert len(methods) == 3
    given = {"lmod_method": "source", "lmod_source_url": "https://example.org/a", "lmod_source_sha256": "1" * 64}
    assert with_site(LOCAL, **given) not in methods
    assert with_site(LOCAL, **given) == with_site(LOCAL, **{**given, "lmod_source_url": "https://example.net/b"})
    # Lmod by Spack brings Spack, and what a site says of it.
    python_alone = changed(TWO, "software", "spack_packages", DELETE)
    one = with_site(python_alone, lmod_method="spack")
    assert one != with_site(python_alone, lmod_method="spack", spack_config={"config": {"x": 1}})


def test_recipes_count_by_what_they_hold_and_not_by_where_they_are() -> None:
    def found(where: str, digest: str) -> str:
        return with_site(LOCAL, spack_repositories={"lab": where}, spack_repository_digests={"lab": digest})

    assert found("/a", "sha256:1") == found("/b", "sha256:1") != found("/a", "sha256:2")
    assert found("/a", "sha256:1") != of(LOCAL)


def test_what_has_to_be_looked_up_first() -> None:
    branches = changed(LOCAL, "software", "spack", {"version": "develop", "packages": "main"})
    assert fp.unresolved(seed(branches)) == ["develop", "main"]
    assert fp.unresolved(seed(branches), {"spack": COMMIT}) == ["main"]
    valid = seed(LOCAL)
    lab: dict[str, Any] = {"spack_repositories": {"lab": "/x"}}
    assert fp.unresolved(valid) == []
    assert fp.unresolved(valid, site=inputs.resolve(lab, valid)) == ["lab"]
    lab["spack_repository_digests"] = {"lab": "sha256:1"}
    assert fp.unresolved(valid, site=inputs.resolve(lab, valid)) == []
    # Where Spack is not used, neither is.
    assert fp.unresolved(seed(changed(branches, "software", "spack_packages", []))) == []


def test_an_index_counts_without_its_password() -> None:
    def found(url: str) -> str:
        return with_site(TWO, python_environments_index_url=url)

    assert found("https://a:b@example.org/simple") == found("https://example.org/simple") != of(TWO)


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"lmod_method": "sorcery"}, "lmod_method", "no way to Lmod"),
        ({"lmod_method": "source", "lmod_source_sha256": "1"}, "lmod_source_sha256", "no SHA-256"),
        ({"lmod_method": "source", "lmod_source_url": "https://example.org/x"}, "lmod_source_url", "hold anything"),
    ],
)
def test_what_cannot_be_resolved_is_said(given: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(SeedError) as caught:
        inputs.resolve(given, seed(LOCAL))
    (problem,) = caught.value.problems
    assert problem.path == path
    assert message in problem.message


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
