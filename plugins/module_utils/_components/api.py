# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find out on the build host what a volume needs beside its packages, and the digests of its locks."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._components import model
from ansible_collections.petal.hpc.plugins.module_utils._components.model import (
    Component,
    ComponentsError,
    System,
    SystemPackage,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host, explained, sha256_of
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import failure

OS_RELEASE = Path("/etc/os-release")
#: Where the locks of a volume are: Spack's, and one for each Python environment.
LOCKS = ("spack.lock", "locks/*")
#: The environment in which Spack runs for all users, below Spack's root.
SOLVER = Path("var/petal/python")
_HEAD = 4096


class Finder:
    """Looks at one host, on which the volume is mounted at ``mount_dir``. Changes nothing."""

    def __init__(self, host: Host, mount_dir: str) -> None:
        self._host = host
        self._mount_dir = Path(mount_dir)
        if not self._mount_dir.is_dir():
            raise ComponentsError(f"{mount_dir} is no directory: mount the volume there first")
        self._system: System | None = None
        self.unknown: list[str] = []

    def components(
        self, lmod: Mapping[str, Any], pythons: Sequence[Mapping[str, Any]], spack: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Entries for a manifest, each once, by name; ``unknown`` has a sentence for each that could not be found out.
        Raises PetalError.

        :param lmod: as the role lmod describes it (``lmod_facts``). pythons: as petal.hpc.python_environment returns
            them. spack: as the role spack describes it. What is empty is not there.
        """
        with explained(f"looking at what {self._mount_dir} needs"):
            found = [*model.spack(spack), *self._solver(spack), *(self._lmod(lmod) if lmod else [])]
            found += [self._python(str(one["path"]), str(one["version"])) for one in pythons]
        every = {(one.name, one.version, one.hash, one.path): one for one in found}
        return [every[key].to_dict() for key in sorted(every)]

    def locks(self) -> dict[str, str]:
        """Digests of the locks, ``sha256:…``, by their paths below the mount directory."""
        found, root = {}, self._mount_dir / ".petal"
        with explained(f"reading the locks in {root}"):
            for path in sorted(path for pattern in LOCKS for path in root.glob(pattern)):
                if path.is_file() and not path.is_symlink():
                    with path.open("rb") as stream:
                        found[str(path.relative_to(self._mount_dir))] = f"sha256:{sha256_of(stream)}"
        return found

    def sizes(self, prefixes: Sequence[str] = ()) -> dict[str, Any]:
        """``used_bytes`` of the volume's disk, its ``files`` with directories and links, and its ``parts``.

        Parts are bytes by paths below the mount directory, each without those that are parts themselves; ``.`` is the
        rest. Raises PetalError.

        :param prefixes: of packages, or whatever else is to be a part. What of them is not on the volume is left out.
        """
        doing = f"measuring {self._mount_dir}"
        with explained(doing):
            places = self._places(prefixes)
        # What du has counted it does not count again: in one walk each part is without those before it.
        ask = ["du", "--one-file-system", "--summarize", "--block-size=1", "--null", "--files0-from=-"]
        status, output, problem = self._host.call(ask, data="\0".join(map(str, places)).encode())
        if status != 0:
            raise ComponentsError(failure(doing, "du", status, problem.strip()))
        found = model.parse_usage(output, str(self._mount_dir))
        files = self._host.run(["du", "--one-file-system", "--summarize", "--inodes", str(self._mount_dir)], doing)
        return {"used_bytes": sum(found.values()), "files": int(files.split()[0]), "parts": found}

    # Parts

    def _places(self, prefixes: Sequence[str]) -> list[Path]:
        """What is measured apart, the innermost first: packages, Python environments, what is right on the volume."""
        root = self._mount_dir
        device = os.lstat(root).st_dev
        top = [Path(entry) for entry in os.scandir(root)]
        places = {Path(prefix) for prefix in prefixes} | set(root.glob("envs/*/*")) | set(top)
        return [*sorted((one for one in places if _is_part(one, root, device)), key=_innermost_first), root]

    def _solver(self, spack: Mapping[str, Any]) -> list[Component]:
        directory = Path(str(spack.get("root") or "")) / SOLVER
        mark = directory / "petal.json"
        if not spack.get("root") or not mark.is_file():
            return []
        return model.carried(mark.read_text(encoding="utf-8"), str(directory))

    def _lmod(self, given: Mapping[str, Any]) -> list[Component]:
        packages = model.spack_packages(given.get("packages") or [])
        if packages:
            # With all that it needs.
            return packages
        command = Path(str(given["home"]), "libexec", "lmod")
        ours = self._is_ours(command)
        package = None if ours else self._owner(command)
        if package is not None:
            found = model.lua_package(package, self._os(), str(command))
        else:
            digest = str(given.get("source_sha256") or "")
            found = model.lmod(str(given["version"]), str(given["home"]), digest, on_volume=ours)
        needed = self._lua(command)
        return [replace(found, dependencies=tuple(one.purl for one in needed)), *needed]

    def _lua(self, command: Path) -> list[Component]:
        with command.open(encoding="utf-8", errors="replace") as stream:
            name = model.interpreter(stream.read(_HEAD))
        path = shutil.which(name) if name else None
        if path is None:
            self.unknown.append(f"the Lua of {command}: its first line names {name or 'no program'}, which is not here")
            return []
        package = self._owner(Path(path))
        if package is None:
            _status, output, problem = self._host.call([path, "-v"])
            return [model.lua(model.parse_lua_version(output or problem), path)]
        return [model.lua_package(package, self._os(), path), *self._lua_modules(path)]

    def _lua_modules(self, path: str) -> list[Component]:
        search = ["-e", f"arg = {{{', '.join(repr(name) for name in model.LUA_MODULES)}}} {model.LUA_SEARCH}"]
        found: dict[str, Component] = {}
        status, output, problem = self._host.call([path, *search])
        if status != 0:
            self.unknown.append(f"the modules of {path}: {' '.join(problem.split())[-200:]}")
        for place in output.splitlines() if status == 0 else ():
            package = self._owner(Path(place)) if place else None
            if package is not None:
                found.setdefault(package.name, model.lua_package(package, self._os(), place, library=True))
        return list(found.values())

    def _python(self, path: str, version: str) -> Component:
        if self._is_ours(Path(path)):
            return model.python(version, path, on_volume=True)
        package = self._owner(Path(path))
        if package is None:
            return model.python(version, path, on_volume=False)
        return model.python_package(package, self._os(), path)

    # The operating system

    def _is_ours(self, path: Path) -> bool:
        return self._mount_dir.resolve() in path.resolve().parents

    def _os(self) -> System:
        if self._system is None:
            self._system = model.parse_os_release(OS_RELEASE.read_text(encoding="utf-8"))
        return self._system

    def _owner(self, path: Path) -> SystemPackage | None:
        """The package that has a file, whichever of its names the package knows it by."""
        names = dict.fromkeys(name for one in (path.resolve(), path) for name in _names(str(one)))
        ask = self._deb if shutil.which("dpkg-query") else self._rpm if shutil.which("rpm") else _nobody
        return next((found for found in map(ask, names) if found is not None), None)

    def _deb(self, path: str) -> SystemPackage | None:
        status, output, _problem = self._host.call(["dpkg-query", "--search", path])
        owner = model.parse_dpkg_owner(output) if status == 0 else ""
        if not owner:
            return None
        show = ["dpkg-query", "--show", f"--showformat={model.DEB_FORMAT}", owner]
        return model.parse_deb(self._host.run(show, f"asking for the package {owner}"))

    def _rpm(self, path: str) -> SystemPackage | None:
        show = ["rpm", "--query", "--queryformat", model.RPM_FORMAT, "--file", path]
        status, output, _problem = self._host.call(show)
        return model.parse_rpm(output) if status == 0 else None


def _is_part(path: Path, root: Path, device: int) -> bool:
    """Whether a path is a directory of the volume itself, and no link leads to it."""
    if root not in path.parents:
        return False
    try:
        seen = os.lstat(path)
        real = path.parent.resolve() == root.resolve() / path.parent.relative_to(root)
    except OSError:
        return False
    return real and stat.S_ISDIR(seen.st_mode) and seen.st_dev == device


def _innermost_first(path: Path) -> tuple[int, str]:
    return -len(path.parts), str(path)


def _nobody(_path: str) -> SystemPackage | None:
    return None


def _names(path: str) -> list[str]:
    # Where /bin is a link to /usr/bin, packages may have either.
    return [path, path.removeprefix("/usr")] if path.startswith(("/usr/bin/", "/usr/lib", "/usr/sbin/")) else [path]
