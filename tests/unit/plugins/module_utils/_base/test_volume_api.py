# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A volume that was made from a snapshot keeps Spack's packages, then the wanted ones, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._base.choice import BaseError
from ansible_collections.petal.hpc.plugins.module_utils._base.volume_api import Base
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host

SNAPSHOT, OTHER = "snap-0123456789abcdef0", "snap-0fedcba9876543210"
MANIFEST = {"name": "bio", "fingerprint": "sha256:" + "a" * 64, "created": "2026-01-31T12:00:00Z", "build_id": "b"}


def run(args: list[str], **options: Any) -> tuple[int, str, str]:
    raise AssertionError(f"no command is needed: {args}, {options}")


def base(path: Path, snapshot_id: str = SNAPSHOT) -> Base:
    return Base(Host(run), path, snapshot_id)


def database(path: Path, **prefixes: str) -> None:
    """Spack's, with these packages by hash."""
    installs = {key: {"path": str(path / "spack/opt" / place), "installed": True} for key, place in prefixes.items()}
    installs["system"] = {"path": "/usr", "installed": True}
    file = path / "spack/opt/.spack-db/index.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"database": {"installs": installs}}))


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    for place in ("zlib-1", "hdf5-1", "padding/__pad__/samtools-1"):
        prefix = tmp_path / "spack/opt" / place
        (prefix / ".spack").mkdir(parents=True)
        (prefix / ".spack/spec.json").write_text("{}")
        (prefix / "bin").mkdir()
    files = ["spack/opt/bin/sbang", "spack/opt/half-built/x", "spack/bin/spack", "modules/Core/x.lua", "lmod/x"]
    files += ["envs/science/1.0/bin/python", ".petal/logs/x", "etc/profile.d/petal.sh", "lost+found/x", "README"]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".petal/manifest.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "outside").symlink_to("/etc")
    (tmp_path / "spack/opt/link").symlink_to("zlib-1")
    database(tmp_path, z="zlib-1", h="hdf5-1", s="padding/__pad__/samtools-1", n="never-there")
    return tmp_path


def files(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*") if not found.is_dir() or found.is_symlink()}


PACKAGES = {f"spack/opt/{place}/.spack/spec.json" for place in ("zlib-1", "hdf5-1", "padding/__pad__/samtools-1")}
KEPT = PACKAGES | {"spack/opt/bin/sbang", ".petal/base.json", "lost+found/x"}


def test_nothing_but_packages_stays(volume: Path) -> None:
    found, changed = base(volume).clear()
    assert changed
    assert found["packages"] == {"z": "zlib-1", "h": "hdf5-1", "s": "padding/__pad__/samtools-1"}
    assert files(volume) == KEPT
    assert Path("/etc").is_dir()
    told = base(volume).told()
    assert (told["snapshot_id"], told["name"], told["packages"]) == (SNAPSHOT, "bio", 3)
    assert told["manifest"].startswith("sha256:")


def checkouts(volume: Path) -> None:
    for name in ("spack/lib/x.py", "spack/.git/HEAD", "spack/var/spack/packages/repos/y", "spack/var/spack/own"):
        (volume / name).parent.mkdir(parents=True, exist_ok=True)
        (volume / name).write_text(name)
    (volume / "spack/var/spack/packages/.git").mkdir()


ASIDE = {"spack/lib/x.py", "spack/.git/HEAD", "spack/var/spack/own", "spack/bin/spack", "packages/repos/y"}


def test_checkouts_are_put_aside_for_who_looks_what_is_the_same(volume: Path) -> None:
    checkouts(volume)
    elsewhere = volume / "envs"
    (volume / ".petal/former").symlink_to(elsewhere)
    base(volume).clear()
    assert files(volume) == KEPT | {f".petal/former/{name}" for name in ASIDE}
    assert not elsewhere.exists()
    # One that was interrupted goes on.
    (volume / ".petal/base.json").write_text((volume / ".petal/base.json").read_text().replace("true", "false"))
    (volume / "spack/late").write_text("late")
    base(volume).clear()
    assert files(volume) == KEPT | {f".petal/former/{name}" for name in ASIDE | {"spack/late"}}
    # Whatever nobody took is gone in the end.
    database(volume, z="zlib-1", h="hdf5-1", s="padding/__pad__/samtools-1")
    base(volume).settle()
    assert files(volume) == KEPT | {"spack/opt/.spack-db/index.json"}


@pytest.mark.parametrize("place", ["spack/.git", "spack/var"])
def test_what_is_a_link_is_no_checkout(volume: Path, tmp_path_factory: pytest.TempPathFactory, place: str) -> None:
    checkouts(volume)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "moved"
    (volume / place).rename(elsewhere)
    (volume / place).symlink_to(elsewhere)
    before = files(elsewhere)
    base(volume).clear()
    assert not (volume / ".petal/former/packages").exists() or place == "spack/.git"
    assert files(elsewhere) == before


def test_it_is_cleared_once_and_what_is_built_then_stays(volume: Path) -> None:
    first, _changed = base(volume).clear()
    (volume / "modules").mkdir()
    again, changed = base(volume).clear()
    assert (again["id"], changed) == (first["id"], False)
    assert (volume / "modules").is_dir()


def test_check_mode_removes_nothing(volume: Path) -> None:
    before = files(volume)
    assert base(volume).clear(check=True)[1]
    assert files(volume) == before
    assert base(volume).told() == {}


def test_one_that_was_interrupted_is_gone_on_with(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Base, "_remove_others", Mock(side_effect=OSError(30, "Read-only")))
        with pytest.raises(PetalError, match="clearing the volume"):
            base(volume).clear()
    # Spack's database may be gone by then.
    (volume / "spack/opt/.spack-db/index.json").unlink()
    found, changed = base(volume).clear()
    assert changed
    assert len(found["packages"]) == 3
    assert files(volume) == KEPT


def test_a_base_of_a_base_is_cleared_too(volume: Path) -> None:
    base(volume, OTHER).clear()
    (volume / ".petal/manifest.json").write_text(json.dumps(MANIFEST))
    database(volume, z="zlib-1")
    found, changed = base(volume).clear()
    assert changed
    assert (found["snapshot_id"], found["packages"]) == (SNAPSHOT, {"z": "zlib-1"})


@pytest.mark.parametrize("place", [".petal", "spack", "spack/opt"])
def test_what_is_no_such_volume_is_refused(volume: Path, tmp_path_factory: pytest.TempPathFactory, place: str) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "moved"
    (volume / place).rename(elsewhere)
    with pytest.raises(BaseError, match="is no directory"):
        base(volume).clear()
    (volume / place).symlink_to(elsewhere)
    before = files(elsewhere)
    with pytest.raises(PetalError):
        base(volume).clear()
    assert files(elsewhere) == before


@pytest.mark.parametrize(("text", "said"), [("{", "is not JSON"), ("{}", "lacks"), ("[]", "lacks")])
def test_a_damaged_manifest_is_refused(volume: Path, text: str, said: str) -> None:
    (volume / ".petal/manifest.json").write_text(text)
    with pytest.raises(BaseError, match=said):
        base(volume).clear()


def test_a_volume_without_packages_is_refused(volume: Path) -> None:
    database(volume)
    with pytest.raises(BaseError, match="no package of Spack"):
        base(volume).clear()


def test_no_record_leads_out_of_spacks_store(volume: Path) -> None:
    base(volume).clear()
    record = json.loads((volume / ".petal/base.json").read_text())
    for place in ("../bin", "/etc", ".", "a/../../x"):
        (volume / ".petal/base.json").write_text(json.dumps({**record, "packages": {"z": place}}))
        with pytest.raises(PetalError, match="not below Spack's store"):
            base(volume).settle()


def test_packages_that_nobody_wanted_go_with_empty_directories_above_them(volume: Path) -> None:
    base(volume).clear()
    database(volume, z="zlib-1", new="bwa-1")
    (volume / "spack/opt/bwa-1").mkdir()
    assert base(volume).settle(check=True) == (["hdf5-1", "padding/__pad__/samtools-1"], True)
    assert base(volume).settle() == (["hdf5-1", "padding/__pad__/samtools-1"], True)
    left = {path.name for path in (volume / "spack/opt").iterdir()}
    assert left == {"zlib-1", "bwa-1", "bin", ".spack-db"}
    assert base(volume).settle() == ([], False)


def test_nothing_is_removed_before_the_volume_was_cleared(volume: Path) -> None:
    with pytest.raises(BaseError, match="was not cleared"):
        base(volume).settle()
