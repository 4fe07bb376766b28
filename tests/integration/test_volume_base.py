"""A volume that begins with the snapshot of another one has the same on it as one that begins with nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import package_graph
import pytest
import spack_at_hand
import yaml
from playing import Run, leftovers, loop_devices, mounts, play, why_not_mount
from volume_image import unpacked

MOUNT_DIR = Path("/petal-base-test")
#: Of the lab's graph; the second has one package more, one less, and three that only the first one needs.
FIRST, SECOND = ("lab-r6", "lab-r5"), ("lab-r6", "lab-r8")
SHARED, GONE, NEW = (
    {"lab-r6", "lab-b5", "compiler-wrapper", "gcc-runtime"},
    {"lab-r5", "lab-m2", "lab-b1", "lab-b2"},
    {"lab-r8", "lab-b3"},
)
#: Files that bear a date, or what of the build is its own, and the directory of a file system.
OWN = (".petal", "lost+found", "modules/.cache", "spack/opt/.spack-db")


@dataclass(frozen=True)
class Site:
    place: Path
    variables: dict[str, Any]

    @property
    def store(self) -> Path:
        return self.place / "store"

    def seed(self, name: str, *specs: str, **software: Any) -> Path:
        seed = {
            "cluster": {"name": name, "provider": "local"},
            "shared_storage": [{"name": "software", "mount_dir": str(MOUNT_DIR), "ebs_settings": {"size": 4}}],
            "software": {"spack_packages": list(specs), **software},
        }
        path = self.place / f"{name}.yaml"
        path.write_text(yaml.safe_dump(seed))
        return path

    def play(self, seed: Path, *arguments: str, **more: Any) -> Run:
        given = {**self.variables, "store": str(self.store), "seed": str(seed), **more}
        return play("build_volume", *arguments, "-e", json.dumps(given))

    def built(self, seed: Path, **more: Any) -> Run:
        done = self.play(seed, **more)
        assert done.rc == 0, done.output
        assert leftovers(Path(more.get("store", self.store))) == []
        return done


def newest(store: Path) -> Path:
    """The directory of the snapshot that was made last."""
    found = sorted(store.glob("snapshots/snap-*"), key=lambda path: path.stat().st_mtime)
    return found[-1]


def manifest(snapshot: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((snapshot / "manifest.json").read_text())
    return found


def hashes(snapshot: Path) -> dict[str, str]:
    return {one["hash"]: one["name"] for one in manifest(snapshot)["packages"]}


def origins(snapshot: Path) -> dict[str, str]:
    return {one["name"]: one["origin"] for one in manifest(snapshot)["packages"]}


def on_it(snapshot: Path, scratch: Path) -> dict[str, tuple[Any, ...]]:
    """What is on a volume, by its path: kind, mode, owner, target of a link, size of a file."""
    image, there = unpacked(snapshot, scratch / "image"), scratch / "there"
    there.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop,ro,noload", image, there], check=True)
    try:
        found = {}
        for directory, names, files in os.walk(there):
            for name in (*names, *files):
                path = Path(directory, name)
                inside, status = str(path.relative_to(there)), path.lstat()
                # What Spack says of an installation has its times.
                timed = name.startswith("spack-build-out") or "/.git/" in inside or "__pycache__" in inside
                if not inside.startswith(OWN) and not timed:
                    link = str(path.readlink()) if path.is_symlink() else ""
                    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
                    found[inside] = (oct(status.st_mode), status.st_uid, status.st_gid, link, size)
        return found
    finally:
        subprocess.run(["umount", there], check=True)
        image.unlink()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := why_not_mount() or spack_at_hand.why_not():
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("base")
    variables = {
        "spack_repositories": {package_graph.NAMESPACE: str(package_graph.write(place / "graph", 20))},
        "software_volume_own_cache": str(place / "own"),
        **spack_at_hand.variables(),
    }
    there = MOUNT_DIR.exists()
    yield Site(place, variables)
    assert [line for line in mounts() | loop_devices() if str(place) in line] == []
    for old in Path("/var/cache/petal/spack").glob(f"_{MOUNT_DIR.name}_*"):
        shutil.rmtree(old)
    if not there:
        with contextlib.suppress(OSError):
            MOUNT_DIR.rmdir()


@pytest.fixture(scope="module")
def first(site: Site) -> Path:
    done = site.built(site.seed("first", *FIRST))
    assert "The volume begins with nothing: there is no snapshot like it." in done.output
    return newest(site.store)


@pytest.fixture(scope="module")
def second(site: Site, first: Path) -> tuple[Path, Run]:
    done = site.built(site.seed("second", *SECOND), base=first.name)
    return newest(site.store), done


def test_what_is_there_is_not_built_again_and_what_nobody_wants_is_gone(first: Path, second: tuple[Path, Run]) -> None:
    snapshot, done = second
    assert f"The volume begins with {first.name}:" in done.output
    assert "begins with nothing" not in done.output
    came = origins(snapshot)
    assert {name for name, origin in came.items() if origin == "base"} >= SHARED
    assert {name for name, origin in came.items() if origin == "source"} == NEW
    assert not GONE & set(came)
    said = manifest(snapshot)["base"]
    assert said["snapshot_id"] == first.name
    assert said["name"] == "first"
    assert f"{first.name} (first) brought {said['packages']} packages of Spack; 4 of them" in done.output


def test_it_is_what_a_build_from_nothing_makes(site: Site, second: tuple[Path, Run], tmp_path: Path) -> None:
    snapshot, _done = second
    other = site.place / "other"
    done = site.built(site.place / "second.yaml", base="none", store=str(other))
    assert "The volume begins with nothing: base=none was asked for." in done.output
    anew = newest(other)
    assert hashes(snapshot) == hashes(anew)
    assert manifest(snapshot)["modules"] == manifest(anew)["modules"]
    assert "base" not in manifest(anew)
    assert on_it(snapshot, tmp_path) == on_it(anew, tmp_path)
