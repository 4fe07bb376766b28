"""The seeds that are shipped: valid without a doubt, and what they name is what Spack has."""

from __future__ import annotations

from pathlib import Path

import pytest
import seeds_check
import spack_at_hand
from playing import ROOT

from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed

SEEDS = sorted((ROOT / "seeds").rglob("*.y*ml"))
NAMES = [str(path.relative_to(ROOT / "seeds")) for path in SEEDS]
FIELDS = ["bioinformatics", "cfd", "chemistry", "climate", "machine-learning"]


@pytest.fixture(params=SEEDS, ids=NAMES)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def seed(path: Path) -> Seed:
    return seeds_check.read(path)


def test_there_is_one_for_each_field() -> None:
    assert {f"{name}.yaml" for name in FIELDS} | {"testing/workload-basic.yaml", "quickstart.yaml"} <= set(NAMES)


def test_it_is_valid_without_a_warning(seed: Seed) -> None:
    assert seed.warnings == ()


def test_its_name_is_its_files(path: Path, seed: Seed) -> None:
    assert seed.cluster.name == path.stem


def test_no_two_are_the_same_volume() -> None:
    digests = {fingerprint.fingerprint(seeds_check.read(path)) for path in SEEDS}
    assert len(digests) == len(SEEDS)


def test_it_says_how_to_build_it(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("---\n# ")
    assert f"petal.hpc.build_volume -e seed=seeds/{path.relative_to(ROOT / 'seeds')}" in text


def test_it_is_for_clusters_and_of_a_size_that_builds_in_a_day(seed: Seed) -> None:
    if not seed.software.spack_packages:
        pytest.skip("no Spack packages: of a single host")
    assert seed.cluster.provider == "aws"
    assert seed.compute is not None
    assert seed.compute.queues
    assert 5 <= len(seed.software.spack_packages) <= 15
    # Pinned by the collection for all of them: one check, one Spack.
    assert {
        (other.software.spack.version, other.software.spack.packages) for other in map(seeds_check.read, SEEDS)
    } == {(seed.software.spack.version, seed.software.spack.packages)}


def test_python_is_named_where_clusters_have_an_old_one(seed: Seed) -> None:
    """Amazon Linux 2023 and RHEL 9 bring Python 3.9, which current releases of these packages do not support."""
    if seed.cluster.provider == "aws":
        assert all(environment.python for environment in seed.software.python_environments)


@pytest.mark.skipif(bool(spack_at_hand.why_not()), reason=spack_at_hand.why_not())
def test_spack_finds_a_solution_for_the_smallest(capsys: pytest.CaptureFixture[str]) -> None:
    """``make seeds-check`` does it for all of them."""
    status = seeds_check.main([ROOT / "seeds" / "testing" / "workload-basic.yaml"])
    output = capsys.readouterr().out
    assert status == 0, output
    assert output.rstrip().endswith("seeds=1 concretized=1")


@pytest.mark.skipif(bool(spack_at_hand.why_not()), reason=spack_at_hand.why_not())
def test_a_seed_that_names_what_does_not_exist_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("cluster: {name: bad, provider: local}\nsoftware: {spack_packages: [no-such-package]}\n")
    assert seeds_check.main([path]) == 1
    output = capsys.readouterr().out
    assert "FAILED bad" in output
    assert "no-such-package" in output
    assert output.rstrip().endswith("seeds=1 concretized=0")
