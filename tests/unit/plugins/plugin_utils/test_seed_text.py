"""A seed that was given as a text is kept for the commands that name it, and for nobody else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_text

TEXT = "cluster: {name: bio, provider: local}\nsoftware: {}\n"
NAME = f"bio-{hashlib.sha256(TEXT.encode()).hexdigest()[:12]}.yaml"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "petal" / "seeds"


def test_it_is_kept_by_name_and_digest(cache: Path) -> None:
    kept = seed_text.keep(TEXT, "bio")
    assert kept == str(cache / NAME)
    assert Path(kept).read_text() == TEXT
    assert [oct(path.stat().st_mode & 0o777) for path in (cache, Path(kept))] == ["0o700", "0o600"]
    Path(kept).write_text("changed\n")
    assert seed_text.keep(TEXT, "bio") == kept
    assert Path(kept).read_text() == TEXT
    assert seed_text.keep(TEXT + "# more\n", "bio") != kept
    assert len(list(cache.iterdir())) == 2


def test_a_link_in_its_place_is_not_followed(cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    (tmp_path / "other").write_text("of somebody")
    (cache / NAME).symlink_to(tmp_path / "other")
    assert Path(seed_text.keep(TEXT, "bio")).read_text() == TEXT
    assert (tmp_path / "other").read_text() == "of somebody"


def test_where_it_cannot_be_kept_there_is_none(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file stands there")
    assert seed_text.keep(TEXT, "bio") == ""


def test_the_newest_stay(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_text, "KEPT", 2)
    for age in (3, 2, 1):
        os.utime(seed_text.keep(f"# {age}\n{TEXT}", f"n{age}"), (1000 - age, 1000 - age))
    (cache / "mine.txt").write_text("")
    seed_text.keep(TEXT, "bio")
    assert sorted(path.name.partition("-")[0] for path in cache.iterdir()) == ["bio", "mine.txt", "n1"]


def test_it_is_told_from_a_file_of_the_users(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = seed_text.keep(TEXT, "bio")
    assert seed_text.is_kept(kept)
    assert not seed_text.is_kept(str(tmp_path / "bio.yaml"))
    monkeypatch.chdir(cache)
    assert seed_text.is_kept(NAME)


def test_nothing_is_written_into_it(tmp_path: Path) -> None:
    kept = seed_text.keep(TEXT, "bio")
    for given in (TEXT, kept):
        with pytest.raises(SeedError, match="the image cannot be written into a text"):
            seed_text.refuse(given, kept, "the image")
    seed_text.refuse("bio.yaml", str(tmp_path / "bio.yaml"), "the image")
