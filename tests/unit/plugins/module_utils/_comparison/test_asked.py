"""What is asked for, key by key: what is in the fingerprint is in it, and what is not decides nothing."""

from __future__ import annotations

from typing import Any

import pytest
from seed_samples import FULL, HOST, LOCAL, changed

from ansible_collections.petal.hpc.plugins.module_utils._comparison.asked import HOW, asked
from ansible_collections.petal.hpc.plugins.module_utils._comparison.model import ASKED, Part, Value, compared
from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint, inputs
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed


def wanted(data: dict[str, Any], commits: dict[str, str] | None = None, /, **site: Any) -> Part:
    seed = Seed.from_mapping(data, HOST)
    decided = inputs.resolve(site, seed).to_dict()
    return asked(seed.to_dict(), decided, seed.software_volume.mount_dir, commits or {})


def digest(data: dict[str, Any], /, **site: Any) -> str:
    seed = Seed.from_mapping(data, HOST)
    return fingerprint.fingerprint(seed, None, inputs.resolve(site, seed))


def rows(old: Part, new: Part) -> list[str]:
    return [str(row) for row in compared(ASKED, old, new).rows]


BASE: dict[str, Any] = {
    **LOCAL,
    "software": {
        "spack_packages": ["hdf5@1.14 +mpi", "zlib@1.3.1"],
        "spack": {"version": "v1.1.0", "packages": "v2025.11.0"},
        "python_environments": [{"name": "science", "version": "1", "packages": ["numpy==2.2.*", "Some_Thing"]}],
    },
}
SPECS, ENVIRONMENTS = ("software", "spack_packages"), ("software", "python_environments")


def environments(**different: Any) -> list[dict[str, Any]]:
    return [{"name": "science", "version": "1", "packages": ["numpy==2.2.*", "Some_Thing"], **different}]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (SPECS, ["hdf5@1.14 +mpi", "zlib@1.3"], ["~ spack_packages zlib @1.3.1 → @1.3"]),
        (SPECS, ["hdf5@1.14 ~mpi", "zlib@1.3.1"], ["~ spack_packages hdf5 @1.14+mpi → @1.14~mpi"]),
        (SPECS, ["zlib@1.3.1"], ["- spack_packages hdf5 @1.14+mpi"]),
        (("software", "compiler"), "gcc@14", ["+ compiler gcc@14"]),
        (("software", "spack", "version"), "v1.0.0", ["~ spack version v1.1.0 → v1.0.0"]),
        (("cluster", "os"), "rocky9", ["~ os debian12 → rocky9"]),
        (
            ENVIRONMENTS,
            environments(packages=["numpy == 2.3.*", "some-thing"]),
            ["~ python_environments science/1 packages numpy ==2.2.* → ==2.3.*"],
        ),
        (ENVIRONMENTS, environments(python="3.12"), ["+ python_environments science/1 python 3.12"]),
        (ENVIRONMENTS, environments(default=True), ["+ python_environments science/1 default yes"]),
        (
            ENVIRONMENTS,
            environments(as_of="2026-11-01"),
            ["+ python_environments science/1 as_of 2026-11-01"],
        ),
    ],
    ids=str,
)
def test_what_decides(path: tuple[str, ...], value: Any, said: list[str]) -> None:
    other = changed(BASE, *path, value)
    assert rows(wanted(BASE), wanted(other)) == said
    assert digest(BASE) != digest(other)


def test_another_environment() -> None:
    more = changed(BASE, *ENVIRONMENTS, [*environments(), {"name": "bio", "version": "2", "packages": ["pysam"]}])
    assert rows(wanted(BASE), wanted(more)) == [
        "+ python_environments bio/2",
        "+ python_environments bio/2 packages pysam",
    ]


def test_stacks() -> None:
    one, two = {"name": "a", "packages": ["hdf5"], "mpi": "mpich@4"}, {"name": "b", "packages": ["zlib"]}
    base = changed(BASE, "software", "spack", {})
    first, both = (changed(base, "software", "stacks", stacks) for stacks in ([one], [one, two]))
    assert rows(wanted(base), wanted(first)) == [
        "+ stacks a",
        "+ stacks a mpi mpich@4",
        "+ stacks a packages hdf5",
    ]
    assert rows(wanted(first), wanted(both)) == [
        "+ order of stacks a, b",
        "+ stacks b",
        "+ stacks b packages zlib",
    ]
    other = changed(first, "software", "stacks", 0, "mpi", "mpich@5")
    assert rows(wanted(first), wanted(other)) == ["~ stacks a mpi mpich@4 → mpich@5"]
    swapped = changed(both, "software", "stacks", [two, one])
    assert rows(wanted(both), wanted(swapped)) == ["~ order of stacks a, b → b, a"]
    assert len({digest(data) for data in (base, first, both, other, swapped)}) == 5


def test_what_a_site_says() -> None:
    found = rows(wanted(BASE), wanted(BASE, lmod_method="spack"))
    assert [row for row in found if "lmod_method" in row] == ["~ of the site lmod_method package → spack"]
    assert digest(BASE) != digest(BASE, lmod_method="spack")


def test_how_it_is_built_decides_nothing() -> None:
    """Each of these keys is one that the fingerprint does not have either."""
    seed = Seed.from_mapping(FULL, HOST).to_dict()
    assert set(HOW) <= set(seed["software"])
    digested = fingerprint.content(Seed.from_mapping(FULL, HOST))
    assert not {key for key in HOW if key in digested or key in digested["spack"]}
    one = asked(seed, {}, "/shared", {})
    for key in HOW:
        seed["software"][key] = {"anything": "else"}
    assert asked(seed, {}, "/shared", {}) == one


def test_spack_counts_where_it_is_used() -> None:
    python = changed(BASE, *SPECS, [])
    other = changed(python, "software", "spack", "version", "v1.0.0")
    assert digest(python) == digest(other)
    assert rows(wanted(python), wanted(other)) == []


def test_a_branch_is_where_it_stood() -> None:
    branch = changed(BASE, "software", "spack", "version", "develop")
    one, other = ({"spack": letter * 40} for letter in "ab")
    assert rows(wanted(branch, one), wanted(branch, other)) == [
        f"~ spack version develop {'a' * 19}… → develop {'b' * 19}…"
    ]
    # Where one of them does not know it there is nothing to be said of it.
    assert rows(wanted(branch, one), wanted(branch)) == []
    # A release's tag is the same for ever, whoever knows its commit.
    assert rows(wanted(BASE, one), wanted(BASE, other)) == []


@pytest.mark.parametrize("seed", [None, [], "x", {"software": []}, {"software": {"spack_packages": [None, 7, {}]}}])
def test_seeds_of_others(seed: Any) -> None:
    found = asked(seed, ["no", "mapping"], "/shared", {})
    assert found["mount_dir"] == frozenset([Value("/shared")])
