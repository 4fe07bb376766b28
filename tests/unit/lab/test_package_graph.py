from __future__ import annotations

import ast
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import package_graph
import pytest
from package_graph import GRAPH, LONGEST_CHAIN, NAMESPACE, PARTS, PREFIX, ROOTS


def test_its_shape() -> None:
    assert len(GRAPH) == 21
    assert len(ROOTS) == 8
    assert len(LONGEST_CHAIN) == 5
    used = {need for name in GRAPH for need in package_graph.needs(name)}
    assert [spec.split()[0] for spec in package_graph.SPECS] == [PREFIX + root for root in ROOTS]
    assert used == set(GRAPH) - set(ROOTS)


def test_the_same_bytes_each_time() -> None:
    digest = hashlib.sha256(b"".join(package_graph.archive(name) for name in GRAPH)).hexdigest()
    assert digest == hashlib.sha256(b"".join(package_graph.archive(name) for name in GRAPH)).hexdigest()
    assert package_graph.archive("b1", functions=8) != package_graph.archive("b1", functions=12)


def test_the_repository(tmp_path: Path) -> None:
    repository = package_graph.write(tmp_path)
    assert NAMESPACE in (repository / "repo.yaml").read_text()
    assert (tmp_path / "specs").read_text().splitlines() == list(package_graph.SPECS)
    for name in GRAPH:
        recipe = (repository / "packages" / f"lab_{name}" / "package.py").read_text()
        ast.parse(recipe)
        archive = tmp_path / "sources" / f"{PREFIX}{name}-1.0.tar.gz"
        assert hashlib.sha256(archive.read_bytes()).hexdigest() in recipe
        assert archive.as_uri() in recipe
        with tarfile.open(archive) as tar:
            assert f"{PREFIX}{name}-1.0/part{PARTS - 1}.c" in tar.getnames()


@pytest.mark.skipif(not (shutil.which("cc") and shutil.which("make")), reason="no cc and make")
@pytest.mark.parametrize(("names", "says"), [(("b1", "b2", "m1"), "lab-m1 2"), (("mpi", "m4"), "lab-m4 1 on 1")])
def test_it_compiles_and_runs(tmp_path: Path, names: tuple[str, ...], says: str) -> None:
    for name in names:
        assert package_graph.build_by_hand(name, tmp_path, functions=PARTS) > 0
    run = subprocess.run(
        [tmp_path / "bin" / f"{PREFIX}{names[-1]}"],
        env={"LD_LIBRARY_PATH": str(tmp_path / "lib")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == says


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("make")), reason="no cmake and make")
def test_the_longest_chain_by_hand(tmp_path: Path) -> None:
    assert package_graph.chain_by_hand(tmp_path, PARTS) > 0
    assert (tmp_path / "bin" / f"{PREFIX}{LONGEST_CHAIN[-1]}").is_file()


def test_work_grows_with_the_time_asked_for() -> None:
    if not shutil.which("cc"):
        pytest.skip("no cc")
    assert package_graph.functions_for(100, sample=2) > package_graph.functions_for(0.0001, sample=2) == PARTS
