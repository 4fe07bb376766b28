from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import debian_sources
import pytest
from debian_sources import Archive, Source, SourceError

RECIPE = """
class Tree(Package):
    url = "https://example.com/tree-2.1.0.tgz"

    version("2.1.1", sha256="{b}")
    version(
        "2.1.0",
        sha256="{a}",
        url="https://example.com/other(1).tgz",
    )
    version("main", branch="main")
    depends_on("c", type="build")
    patch("https://example.com/x.patch", sha256="{c}")
""".format(a="a" * 64, b="b" * 64, c="c" * 64)

INDEX = f"""\
Package: tree
Binary: tree
Version: 2.1.0-1
Checksums-Sha1:
 1234 59189 tree_2.1.0.orig.tar.gz
Checksums-Sha256:
 {"d" * 64} 6532 tree_2.1.0-1.debian.tar.xz
 {"a" * 64} 59189 tree_2.1.0.orig.tar.gz
 {"e" * 64} 833 tree_2.1.0.orig.tar.gz.asc
Homepage: https://example.com

Package: native
Version: 1
Checksums-Sha256:
 {"f" * 64} 10 native_1.tar.xz
"""


def test_the_checksums_of_a_recipe() -> None:
    found = list(debian_sources.sources_of("tree", RECIPE))
    assert found == [Source("tree", "2.1.1", "b" * 64), Source("tree", "2.1.0", "a" * 64)]


def test_the_upstream_archives_of_an_index() -> None:
    found = dict(debian_sources.archives_in(INDEX))
    assert found == {"a" * 64: Archive("tree", "2.1.0-1", "tree_2.1.0.orig.tar.gz", 59189)}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("tree", ("tree", "")),
        ("argtable@2-13", ("argtable", "2-13")),
        ("lz4@=1.10.0 +x ^y", ("lz4", "1.10.0")),
        ("hdf5+mpi", ("hdf5", "")),
    ],
)
def test_what_a_spec_asks_for(spec: str, expected: tuple[str, str]) -> None:
    assert debian_sources.wanted_of(spec) == expected


def test_only_sources_that_fit() -> None:
    sources = list(debian_sources.sources_of("tree", RECIPE))
    assert debian_sources.candidates("tree", sources) == sources
    assert [source.version for source in debian_sources.candidates("tree@2.1.0", sources)] == ["2.1.0"]
    with pytest.raises(SourceError, match=r"tree@9\.9"):
        debian_sources.candidates("tree@9.9", sources)


def test_archives_stand_under_each_extension_that_a_recipe_may_have(tmp_path: Path) -> None:
    archive = tmp_path / "tree_2.1.0.orig.tar.gz"
    archive.write_bytes(b"something")
    sha256 = hashlib.sha256(b"something").hexdigest()
    source = Source("tree", "2.1.0", sha256)
    assert not debian_sources.is_there(source, tmp_path)
    debian_sources.put(archive, sha256, tmp_path)
    directory = tmp_path / "sources/_source-cache/archive" / sha256[:2]
    assert sorted(path.name for path in directory.iterdir()) == [f"{sha256}.tar.gz", f"{sha256}.tgz"]
    assert debian_sources.is_there(source, tmp_path)


def test_a_wrong_archive_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "tree_2.1.0.orig.tar.gz"
    archive.write_bytes(b"something else")
    with pytest.raises(SourceError, match="expected aaaa"):
        debian_sources.put(archive, "a" * 64, tmp_path)
    assert not (tmp_path / "sources").exists()


def test_recipes_are_read_from_a_bare_repository(tmp_path: Path) -> None:
    work = tmp_path / "work"
    home = work / debian_sources.RECIPES / "_7zip"
    home.mkdir(parents=True)
    (home / "package.py").write_text(RECIPE)
    git = ["git", "-C", str(work), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=x"], ["tag", "v1"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(work), str(tmp_path / "bare.git")], check=True)
    assert dict(debian_sources.recipes(tmp_path / "bare.git", "v1")) == {"7zip": RECIPE}
    with pytest.raises(SourceError, match="no recipes at v2"):
        list(debian_sources.recipes(tmp_path / "bare.git", "v2"))


def test_nothing_is_asked_of_debian_when_all_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(_directory: Path) -> None:
        raise AssertionError

    monkeypatch.setattr(debian_sources, "Apt", never)
    place = tmp_path / debian_sources.ARCHIVES / "aa"
    place.mkdir(parents=True)
    (place / f"{'a' * 64}.tar.gz").touch()
    debian_sources.fill(tmp_path, ["tree@2.1.0"], list(debian_sources.sources_of("tree", RECIPE)))
    assert capsys.readouterr().out == "have     tree@2.1.0\n"
