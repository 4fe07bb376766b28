from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
import spack_at_hand
import spack_mirror
from debian_sources import Source, SourceError


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one release, as that of compiler-wrapper is."""
    path = tmp_path / "repository"
    git = ["git", "-C", str(path), "-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "--quiet", str(path)], check=True)
    (path / "cc").write_text("#!/bin/sh\n")
    for command in (["add", "cc"], ["commit", "--quiet", "--message=one"], ["tag", "v1.1.0"]):
        subprocess.run([*git, *command], check=True)
    return path


def test_an_archive_is_made_the_same_each_time(repository: Path, tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        archive = spack_mirror.archive_of(
            spack_mirror.address(str(repository)), Source("compiler-wrapper", "1.1.0", "?"), tmp_path / name
        )
        digests.add(hashlib.sha256(archive.read_bytes()).hexdigest())
        listed = subprocess.run(["tar", "-tzf", archive], capture_output=True, text=True, check=True).stdout
        assert listed.split() == ["compiler-wrapper-1.1.0/", "compiler-wrapper-1.1.0/cc"]
    assert len(digests) == 1


def test_a_release_that_is_not_there_is_said(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no v2\.0 of compiler-wrapper at file://.*/repository: "):
        spack_mirror.archive_of(spack_mirror.address(str(repository)), Source("compiler-wrapper", "2.0", "?"), tmp_path)


@pytest.mark.parametrize("given", ["https://example.org/spack.git", "git@example.org:spack.git"])
def test_an_address_stays_as_it_is(given: str) -> None:
    assert spack_mirror.address(given) == given


def test_a_mirror_without_the_wrapper_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spack_at_hand, "MIRROR", tmp_path)
    for name in ("spack.git", "spack-packages.git"):
        (tmp_path / name).mkdir()
    assert spack_at_hand.mirror_dir() is None
    digest = spack_at_hand.WRAPPER_SHA256
    archives = tmp_path / "sources" / "_source-cache" / "archive" / digest[:2]
    archives.mkdir(parents=True)
    (archives / f"{digest}.tar.gz").touch()
    assert spack_at_hand.mirror_dir() == tmp_path
