from __future__ import annotations

import importlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import spack_at_hand
import spack_develop


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the branches develop and next."""
    path = tmp_path / "repository"
    git = ["git", "-C", str(path), "-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=develop", str(path)], check=True)
    for command in (["commit"], ["checkout", "-b", "next"], ["commit"]):
        more = ["--quiet", "--allow-empty", "--message=one"] if command == ["commit"] else ["--quiet"]
        subprocess.run([*git, command[0], *more, *command[1:]], check=True)
    return path


def test_a_branch_as_it_stands(repository: Path) -> None:
    def stands(branch: str) -> str:
        command = ["git", "-C", str(repository), "rev-parse", branch]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert spack_develop.newest(str(repository)) == (repository.as_uri(), stands("develop"))
    assert spack_develop.newest(f"{repository}#next").commit == stands("next") != stands("develop")
    with pytest.raises(
        spack_develop.DevelopError, match=r"refs/heads/none of .* cannot be had: there is no such branch"
    ):
        spack_develop.newest(f"{repository}#none")
    with pytest.raises(spack_develop.DevelopError, match="make spack-develop SPACK="):
        spack_develop.newest(str(repository.parent / "nowhere"))


def test_what_is_copied_is_not_what_is_there(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "a").mkdir(parents=True)
    (source / "a" / "one").write_text("1")
    for _again in range(2):
        spack_develop.copy(source, target)
    (target / "a" / "one").write_text("2")
    assert (source / "a" / "one").read_text() == "1"
    spack_develop.copy(tmp_path / "nowhere", target)


def test_tests_are_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/></testsuites>')
    assert spack_develop.counts(report) == {"passed": 3, "failed": 3, "skipped": 3}


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Tests that run with another mirror directory than the usual one."""
    said = {"spack": "1" * 40, "packages": "2" * 40, "wrapper": "3" * 64}
    for name in ("spack.git", "spack-packages.git", f"sources/_source-cache/archive/33/{said['wrapper']}.tar.gz"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / spack_at_hand.HELD).write_text(json.dumps(said))
    monkeypatch.setenv("PETAL_SPACK_MIRROR", str(tmp_path))
    importlib.reload(spack_at_hand)
    yield said
    monkeypatch.undo()
    importlib.reload(spack_at_hand)


def test_tests_take_what_another_mirror_directory_holds(held: dict[str, str], tmp_path: Path) -> None:
    assert spack_at_hand.mirror_dir() == tmp_path
    assert spack_at_hand.variables() == {
        "spack_mirror_dir": str(tmp_path),
        "spack_version": held["spack"],
        "spack_packages_version": held["packages"],
    }
    assert spack_at_hand.software() == {"spack": {"version": held["spack"], "packages": held["packages"]}}


def test_seeds_name_no_spack_otherwise() -> None:
    assert spack_at_hand.software() == {}


def test_every_test_is_there() -> None:
    assert [name for name in spack_develop.TESTS if not (spack_develop.ROOT / name).is_file()] == []
