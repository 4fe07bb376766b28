"""The project that a site gives to AWX: every playbook is in it, its seeds are good, and it replaces nobody's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from playing import ROOT, Run, finished, play

PROJECT = ROOT / "awx" / "project"
MAKER = ROOT / "awx" / "make_project.sh"
#: Who runs it makes job templates, and is none.
OF_AWX = {"awx_setup"}


def for_users() -> set[str]:
    """The playbooks that have a command line; the others are parts of them."""
    return {
        path.stem
        for path in (ROOT / "playbooks").glob("*.yml")
        if f"# ansible-playbook petal.hpc.{path.stem}" in path.read_text()
    }


def test_each_playbook_for_users_has_a_file_of_one_import() -> None:
    there = {path.stem: yaml.safe_load(path.read_text()) for path in PROJECT.glob("*.yml") if path.stem != "inventory"}
    assert set(there) == for_users() - OF_AWX
    assert len(there) > 20
    for name, (only,) in there.items():
        assert only.pop("name"), name
        assert only == {"ansible.builtin.import_playbook": f"petal.hpc.{name}"}


def test_the_inventory_has_the_groups_and_a_host_that_builds_for_all() -> None:
    site: dict[str, Any] = yaml.safe_load((PROJECT / "inventory.yml").read_text())["all"]
    groups = site["children"]
    assert set(groups) == {"head", "compute", "login"}
    assert list(groups["head"]["hosts"]) == [site["vars"]["build_host"]]


@pytest.mark.parametrize("seed", sorted((PROJECT / "seeds").iterdir()), ids=lambda path: path.name)
def test_its_seeds_are_valid(seed: Path) -> None:
    done = play("validate_seed", seed=seed)
    assert done.rc == 0, done.output
    assert f"{seed.stem}: valid" in done.output


def made(*arguments: str, cwd: Path) -> Run:
    return finished([str(MAKER), *arguments], cwd=cwd)


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["my site", "-e", "deep/er"])
def test_it_is_written_once_and_replaces_nothing(name: str, tmp_path: Path) -> None:
    done = made(name, cwd=tmp_path)
    assert done.rc == 0, done.output
    assert f"Written: {name}. What is next" in done.output
    assert files(tmp_path / name) == files(PROJECT)
    changed = tmp_path / name / "inventory.yml"
    changed.write_text("mine")
    again = made(name, cwd=tmp_path)
    assert again.rc == 1
    assert f"has {len(files(PROJECT))} of the project's files already" in again.output, again.output
    assert "Nothing was written" in again.output
    assert changed.read_text() == "mine"


def test_a_directory_with_other_files_is_added_to(tmp_path: Path) -> None:
    (tmp_path / "README.rst").write_text("mine")
    assert made(str(tmp_path), cwd=tmp_path).rc == 0
    assert (tmp_path / "README.rst").read_text() == "mine"
    assert (tmp_path / "build_volume.yml").exists()


def test_what_is_missing_or_wrong_is_said(tmp_path: Path) -> None:
    for arguments in ((), ("",)):
        none = made(*arguments, cwd=tmp_path)
        assert none.rc == 2
        assert "name a directory" in none.output
    (tmp_path / "file").touch()
    assert "file is no directory" in made("file", cwd=tmp_path).output
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "cache.yml").symlink_to("/nowhere")
    assert "(cache.yml)" in made("linked", cwd=tmp_path).output
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cache.yml", "file", "linked"]


def test_make_hands_the_directory_on(tmp_path: Path) -> None:
    def make(*words: str) -> Run:
        return finished(["make", "--no-print-directory", "-C", str(ROOT), "awx-project", *words], cwd=tmp_path)

    assert "name a directory" in make().output
    done = make(f"DEST={tmp_path}/it's one")
    assert done.rc == 0, done.output
    assert (tmp_path / "it's one" / "seeds" / "small.yaml").exists()
