"""The index of Spack's packages in the tree, and what it says of seeds."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.model import DEFAULT_SPACK_PACKAGES_REF, Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.packages import Index, Package
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import Host
from ansible_collections.petal.hpc.plugins.module_utils._seed.versions import Version
from ansible_collections.petal.hpc.plugins.plugin_utils import package_index
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_file import parse_seed

LINES = [line for line in package_index.INDEX.read_text().splitlines() if not line.startswith("#")]


def index() -> Index:
    found = package_index.load(DEFAULT_SPACK_PACKAGES_REF)
    assert found is not None
    return found


def compared(text: str, mirror_dir: str = "") -> tuple[str | None, list[Any]]:
    document = parse_seed(text.encode())
    seed = Seed.from_mapping(document.data, Host("debian12", "x86_64"), document.source)
    return package_index.compare(document.data, seed, document.source, mirror_dir)


def test_it_is_of_the_default_release() -> None:
    """Whoever changes the default makes the index anew: make package-index."""
    assert index().ref == DEFAULT_SPACK_PACKAGES_REF


def test_it_is_whole_and_small() -> None:
    assert len(LINES) > 8_000
    assert lines_sorted_once(LINES)
    assert package_index.INDEX.stat().st_size < 1_500_000


def lines_sorted_once(lines: list[str]) -> bool:
    return lines == sorted(lines) and len({line.partition(" ")[0] for line in lines}) == len(lines)


def test_every_line_is_read_and_its_versions_are_in_our_order_too() -> None:
    for line in LINES:
        package = Package.parse(line)
        assert str(package) == line
        keys = [Version.parse(version).key for version in package.versions]
        assert all(newer > older for newer, older in itertools.pairwise(keys)), line


def test_variants_of_build_systems_are_in_it() -> None:
    hdf5, mpi = index().find("hdf5"), index().find("mpi")
    assert hdf5 is not None
    assert {"build_type", "api"} <= hdf5.choices
    assert {"mpi", "ipo"} <= hdf5.switches
    assert mpi is not None
    assert mpi.virtual
    assert mpi.providers[:2] == ("openmpi", "mpich")


def test_it_is_read_quickly() -> None:
    """It is read at every look at a seed with specs: in milliseconds, not in tenths of a second."""
    times = []
    for _round in range(5):
        start = time.perf_counter()
        index().find("zlib")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05


SEED = """\
cluster: {name: a, provider: local}
software:
  spack_packages:
    - zlib@1.3.1
    - "samtool@1.17"
    - "hdf5@1.14 +mpi ^openmpi@4.1.99"
  build_from_source: ["zlib+pik"]
  compiler: gcc@11.99
"""


def test_every_spec_of_a_seed_is_compared() -> None:
    ref, problems = compared(SEED)
    assert ref == DEFAULT_SPACK_PACKAGES_REF
    assert [(problem.path, problem.line, problem.level) for problem in problems] == [
        ("software.spack_packages[1]", 5, "warning"),
        ("software.spack_packages[2]", 6, "warning"),
        ("software.compiler", 8, "warning"),
        ("software.build_from_source[0]", 7, "warning"),
    ]
    assert problems[0].hint == "did you mean samtools?"


HYBRID = """\
cluster: {name: a, region: us-east-1, os: ubuntu2204}
compute: {head_node: t3.xlarge, queues: [{name: q, instance_types: [c5.large]}]}
software:
  in_ami: [mpi, openmpi@5]
  spack_packages: [lapack]
"""


def test_what_several_packages_provide_is_in_no_image() -> None:
    _ref, problems = compared(HYBRID)
    ((path, level, hint),) = [(one.path, one.level, one.hint) for one in problems if one.level == "error"]
    assert (path, level) == ("software.in_ami[0]", "error")
    assert hint == "write the package that is meant, such as openmpi or mpich"
    assert not [one for one in compared(HYBRID.replace("[mpi, ", "["))[1] if one.level == "error"]


@pytest.mark.parametrize("ref", ["v2025.11.0", "develop", "b" * 40])
def test_of_another_release_nothing_is_said(ref: str) -> None:
    text = SEED.replace("software:\n", f"software:\n  spack: {{packages: {ref}}}\n")
    assert compared(text) == (None, [])


def test_a_mirror_knows_its_own_release(tmp_path: Path) -> None:
    directory = tmp_path / package_index.MIRRORED
    directory.mkdir()
    (directory / "a.txt").write_bytes(b"\xff\xfe")
    (directory / "b.txt").write_text("something else\n")
    header = f"# Spack's package repository v2025.11.0, commit {'c' * 40}"
    (directory / "c.txt").write_text(f"{header}\ngcc 11.99 |\nhdf5 1.14.6 | +mpi\nopenmpi 4.1.99\nzlib 1.3.1 | +pik\n")
    text = SEED.replace("software:\n", "software:\n  spack: {packages: v2025.11.0}\n")
    ref, (problem,) = compared(text, str(tmp_path))
    assert ref == "v2025.11.0"
    assert problem.message == "Spack's package repository v2025.11.0 has no package samtool"
    assert compared(text, str(tmp_path / "not-there")) == (None, [])


def test_the_commit_of_the_release_is_the_release() -> None:
    commit = index().commit
    ref, problems = compared(SEED.replace("software:\n", f"software:\n  spack: {{packages: {commit}}}\n"))
    assert ref == DEFAULT_SPACK_PACKAGES_REF
    assert len(problems) == 4


def test_a_seed_without_specs() -> None:
    assert compared("cluster: {name: a, provider: local}") == (None, [])


@pytest.mark.parametrize("path", sorted(Path("seeds").rglob("*.yaml")), ids=str)
def test_shipped_seeds_name_what_there_is(path: Path) -> None:
    _ref, problems = compared(path.read_text())
    assert problems == []
