# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A volume that was made from a snapshot: leave nothing of it but Spack's packages, in the end those that are wanted.

All else is made anew, as on an empty volume: Spack, its settings and database, modules, environments of Python. So
Spack chooses as it would there, and takes over what is in place of what it chose (``_spack/scripts/state.py``).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._base.choice import BaseError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host import ext4_api
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._spack.base import RECORD, parse_record
from ansible_collections.petal.hpc.plugins.module_utils._spack.lockfile import parse_database

#: Where checkouts are put aside for who checks out again (petal.hpc.git_commit), by name; inner ones first.
FORMER, CHECKOUTS = ".petal/former", {"packages": "spack/var/spack/packages", "spack": "spack"}
#: Where Spack's packages are on a volume, and what of that is no package: commands that scripts in packages run by.
INSTALLED, COMMANDS = "spack/opt", "bin"
_MANIFEST, _DATABASE = ".petal/manifest.json", f"{INSTALLED}/.spack-db/index.json"
_LIMIT = 256 * 1024**2
TOLD = ("snapshot_id", "name", "fingerprint", "created", "build_id", "manifest", "packages")


def renew(host: Host, device: Path, volume_id: str, check: bool = False) -> bool:
    """Give the file system on the device of a volume a UUID of its own, for as long as it is not mounted; whether that
    changes it. The same each time. Raises PetalError.
    """
    number = host.device_number(str(device))
    if any(mount.device == number for mount in host.mounts()):
        return False
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"petal.hpc/{volume_id}"))
    return ext4_api.renew(host, device, identity, f"giving the file system of {volume_id} a UUID of its own", check)


class Base:
    """What a volume has of the snapshot that it was made from.

    :param path: where the volume is mounted. snapshot_id: of the snapshot.
    """

    def __init__(self, host: Host, path: Path, snapshot_id: str) -> None:
        self._host = host
        self._path = path
        self._snapshot_id = snapshot_id
        self._record = path / RECORD

    def clear(self, check: bool = False) -> tuple[dict[str, Any], bool]:
        """Take away all but Spack's packages; what is noted of them, and whether anything changes.

        Once for a volume, and gone on with where that was interrupted. Raises BaseError where the volume is not as one
        of this collection, or something cannot be removed: then it is of no use.
        """
        doing = f"clearing the volume of {self._snapshot_id}"
        with explained(doing):
            found = self._noted()
            if found is not None and found["cleared"]:
                return found, False
            self._look()
            if found is None:
                found = self._found()
            if check:
                return found, True
            self._host.write_json(self._record, found)
            for name, place in CHECKOUTS.items():
                self._put_aside(name, place)
            self._remove_others(found["packages"].values())
            # Last: a volume without it is one that is being built.
            (self._path / _MANIFEST).unlink(missing_ok=True)
            found["cleared"] = True
            self._host.write_json(self._record, found)
            return found, True

    def settle(self, check: bool = False) -> tuple[list[str], bool]:
        """Take away the packages that nobody wanted; their directories, and whether anything changes."""
        with explained(f"removing what is not wanted of {self._snapshot_id}"):
            found = self._noted()
            if found is None or not found["cleared"]:
                raise BaseError(f"the volume at {self._path} was not cleared of {self._snapshot_id}")
            root = self._path / INSTALLED
            known = parse_database(self._text(_DATABASE))
            wanted = {str(Path(prefix).resolve()) for prefix in known.values()}
            gone = sorted(
                place
                for place in found["packages"].values()
                if str((root / place).resolve()) not in wanted and os.path.lexists(root / place)
            )
            if not check:
                for place in gone:
                    _remove(root / place)
                    _remove_empty((root / place).parent, root)
                if os.path.lexists(self._path / FORMER):
                    _remove(self._path / FORMER)
            return gone, bool(gone)

    def told(self) -> dict[str, Any]:
        """What is said of it, the packages as a number; empty where nothing was noted yet."""
        found = self._noted()
        if found is None:
            return {}
        return {key: len(found[key]) if key == "packages" else found[key] for key in TOLD}

    def _noted(self) -> dict[str, Any] | None:
        """What an earlier call noted; None where there was none for this snapshot."""
        try:
            found = parse_record(self._host.read_json(self._record))
        except FileNotFoundError:
            return None
        return found if found["snapshot_id"] == self._snapshot_id else None

    def _text(self, name: str) -> str:
        with below.file(self._path, name) as stream:
            return stream.read(_LIMIT).decode("utf-8", "replace")

    def _look(self) -> None:
        for place in (".", ".petal", "spack", INSTALLED):
            path = self._path / place
            if path.is_symlink() or not path.is_dir():
                raise BaseError(f"{path} is no directory, as it is on a volume with packages of Spack")

    def _found(self) -> dict[str, Any]:
        try:
            text = self._text(_MANIFEST)
            manifest = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BaseError(f"the manifest on the volume of {self._snapshot_id} is not JSON: {error}") from error
        try:
            told = {key: str(manifest[key]) for key in ("name", "fingerprint", "created", "build_id")}
        except (KeyError, TypeError) as error:
            raise BaseError(f"the manifest on the volume of {self._snapshot_id} lacks what it says: {error}") from error
        packages = {}
        root = self._path / INSTALLED
        for key, prefix in parse_database(self._text(_DATABASE)).items():
            place = os.path.relpath(prefix, root) if prefix else ".."
            # Those of the operating system are elsewhere.
            if not place.startswith("..") and place != "." and (root / place / ".spack" / "spec.json").is_file():
                packages[key] = place
        if not packages:
            raise BaseError(f"no package of Spack was found on the volume of {self._snapshot_id}")
        said = {"schema": 1, "id": secrets.token_hex(8), "cleared": False, "snapshot_id": self._snapshot_id}
        said["manifest"] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        return {**said, **told, "packages": packages}

    def _put_aside(self, name: str, place: str) -> None:
        """Move a checkout to where it is in nobody's way. What of it is used is looked at there, byte by byte."""
        target = self._path / FORMER / name
        for step in (target.parent, target):
            if step.is_symlink():
                step.unlink()
        way = [self._path / step for step in (*map(str, Path(place).parents), place)]
        # An attempt that was interrupted may have moved it already.
        way += [] if target.is_dir() else [self._path / place / ".git"]
        if any(step.is_symlink() or not step.is_dir() for step in way):
            return
        self._host.make_directory(target)
        for entry in sorted((self._path / place).iterdir()):
            if Path(place, entry.name) != Path(INSTALLED) and not os.path.lexists(target / entry.name):
                entry.rename(target / entry.name)

    def _remove_others(self, packages: Iterable[str]) -> None:
        keep = {Path(INSTALLED, place) for place in packages} | {Path(INSTALLED, COMMANDS), Path("lost+found")}
        keep |= {Path(RECORD), Path(_MANIFEST), Path(FORMER)}
        ways = {parent for place in keep for parent in place.parents}

        def walk(directory: Path) -> None:
            for entry in sorted((self._path / directory).iterdir()):
                inside = directory / entry.name
                if inside in keep:
                    continue
                if inside in ways and entry.is_dir() and not entry.is_symlink():
                    walk(inside)
                else:
                    _remove(entry)

        walk(Path())


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(path)


def _remove_empty(directory: Path, root: Path) -> None:
    """Directories in which nothing is left, such as those that only make a path longer."""
    while directory != root and not any(directory.iterdir()):
        directory.rmdir()
        directory = directory.parent
