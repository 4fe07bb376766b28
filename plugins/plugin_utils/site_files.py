# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a seed names beside it, on the controller: a site's own modulefiles and recipes.

Whoever wrote the seed need not be whoever builds it: nothing outside of the seed's directory is read, through no link.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._containers import manifests
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._seed import images, modulefiles
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Report, SourceMap
from ansible_collections.petal.hpc.plugins.module_utils._spack import recipes

#: Where modules lie on a volume that Spack has not made.
MODULES = "modules/Core"
#: Most that a directory of recipes may hold: Spack's own has a hundred times as much, a site's a hundredth.
RECIPES_FILES = 2000
RECIPES_BYTES = 16 * 1024 * 1024
#: Bytes of a manifest of an image.
IMAGE_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class SiteFiles:
    """modules: names and texts of modulefiles, in the seed's order. digests: by paths in the seed.

    packages: names of those for which there are recipes.
    """

    modules: list[tuple[modulefiles.Name, str]] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)

    def modulefiles(self) -> dict[str, Any]:
        """For the volume: what volume_layout writes there, and what its manifest says of the modules."""
        return {
            "layout": {f"{MODULES}/{name.file}": {"content": text} for name, text in self.modules},
            "modules": [
                {
                    "name": name.module,
                    "kind": "site",
                    "load": [name.module],
                    "check": [],
                    "default": False,
                    "summary": "A modulefile of the site's own",
                }
                for name, _text in self.modules
            ],
        }


def beside(source: SourceMap) -> Path:
    """Where the files are that a seed names: in its directory, or for a text where the playbook was started."""
    return Path(source.directory) if source.directory else Path(source.file).parent


def read(seed: Seed, source: SourceMap) -> SiteFiles:
    """All that a seed names. Raises SeedError with everything that is wrong."""
    found = SiteFiles()
    report = Report(source)
    directory = beside(source)
    for index, path in enumerate(seed.software.modules):
        place = ("software", "modules", index)
        name = modulefiles.named(path)
        try:
            content = _content(directory, path)
            wrong = modulefiles.objection(content, name is not None and name.lua)
        except PetalError as error:
            wrong, content = str(error), b""
        if wrong or name is None:
            report.add(place, wrong, path, hint=f"it is looked for in {directory}")
        else:
            found.modules.append((name, content.decode()))
            found.digests[path] = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _recipes(seed, directory, found, report)
    _archives(seed, directory, found, report)
    if report.problems:
        raise SeedError(report.problems, source.file)
    return found


def _recipes(seed: Seed, directory: Path, found: SiteFiles, report: Report) -> None:
    for index, repository in enumerate(seed.software.spack.repos):
        if not repository.path:
            continue
        try:
            files = read_recipes(directory, repository.path)
        except PetalError as error:
            report.add(("software", "spack", "repos", index, "path"), str(error), repository.path)
        else:
            found.digests[repository.path] = digest_of(files)
            found.packages.update(_packages(files))


def _archives(seed: Seed, directory: Path, found: SiteFiles, report: Report) -> None:
    for index, container in enumerate(seed.software.containers):
        path = images.parse(container.image).path
        if path and path not in found.digests:
            try:
                found.digests[path] = _image_digest(directory, path, seed.cluster.architecture)
            except PetalError as error:
                report.add(("software", "containers", index, "image"), str(error), container.image)


def _image_digest(directory: Path, path: str, architecture: str) -> str:
    """The digest of the image for a platform in an OCI archive below a directory. Raises PetalError."""
    try:
        with below.file(directory, path) as stream, tarfile.open(fileobj=stream, mode="r:*") as archive:
            digest, at = "", "index.json"
            for _index_in_index in range(2):
                text = _member(archive, at)
                if digest and f"sha256:{hashlib.sha256(text).hexdigest()}" != digest:
                    raise PetalError(f"the archive holds something else than {digest} by that name")
                content = manifests.read(text, "the archive")
                found = manifests.platform_digest(content, architecture, "the archive")
                if found is None:
                    return digest
                digest, at = found, f"blobs/sha256/{found.partition(':')[2]}"
            return digest
    except FileNotFoundError as error:
        raise PetalError(f"there is no such file in {directory}") from error
    except (OSError, tarfile.TarError, KeyError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise PetalError(
            f"it is no archive of an OCI image ({reason}), as skopeo copy … oci-archive:FILE makes one"
        ) from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    """A small file of an archive. Raises KeyError where there is none."""
    names = {entry.removeprefix("./"): entry for entry in archive.getnames()}
    member = archive.getmember(names[name])
    stream = archive.extractfile(member) if member.size <= IMAGE_LIMIT else None
    if stream is None:
        raise PetalError(f"{name} in it is no file of less than {IMAGE_LIMIT >> 20} MiB")
    return stream.read()


def layout(directory: str, digest: str) -> dict[str, Any]:
    """What volume_layout writes of a directory of recipes. Raises PetalError where it holds something else by now."""
    path = Path(directory)
    files = read_recipes(path.parent, path.name)
    if digest_of(files) != digest:
        raise PetalError(f"{directory} has been changed since the seed was read: run again")
    return {name: {"content": text} for name, text in files.items()}


def read_recipes(directory: Path, path: str) -> dict[str, str]:
    """The texts of recipes, by their paths in a directory below another one. Raises PetalError."""
    found: dict[str, str] = {}
    left = RECIPES_BYTES
    try:
        with below.above(directory, f"{path}/{recipes.MARK}") as (at, _name):
            for name, content in _files(at, ""):
                left -= len(content)
                if len(found) == RECIPES_FILES or left < 0:
                    raise PetalError(
                        f"it holds more than {RECIPES_FILES} files, or {RECIPES_BYTES >> 20} MiB: sources of packages "
                        "are better where their recipes name them, with a checksum"
                    )
                found[name] = content.decode()
    except UnicodeDecodeError as error:
        raise PetalError(f"{name} is not UTF-8 text: name binary files in the recipe, with url and sha256") from error
    except FileNotFoundError as error:
        raise PetalError(f"there is no such directory in {directory}") from error
    except OSError as error:
        raise PetalError(f"it cannot be read: {os.strerror(error.errno or 0)}") from error
    marks = [(f"{path}/{name}", text) for name, text in found.items() if posixpath.basename(name) == recipes.MARK]
    recipes.repositories(marks, path)
    return found


def digest_of(texts: Mapping[str, str]) -> str:
    """What recipes hold, as the role spack digests those of a directory on a host."""
    sums = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in texts.items()}
    return recipes.digest([{"path": f"/{path}", "checksum": sums[path]} for path in sums], "/")


def _files(at: int, above: str) -> Iterator[tuple[str, bytes]]:
    """Files below an open directory, without what Git and Python put beside them. Raises PetalError for a link."""
    for name in below.names(at):
        path = f"{above}{name}"
        mode = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            raise PetalError(f"{path} is a link: recipes are copied as they are, so put the file itself there")
        if recipes.beside(f"/{path}/"):
            continue
        if stat.S_ISDIR(mode):
            with below.inside(at, name) as inner:
                yield from _files(inner, f"{path}/")
        else:
            with below.reading(at, name) as stream:
                yield path, stream.read(RECIPES_BYTES + 1)


def _packages(files: Mapping[str, str]) -> Iterator[str]:
    for path in files:
        parts = path.split("/")
        if parts[-1] == "package.py" and len(parts) > 1:
            # Directories of today are modules of Python: py_numpy, _7zip.
            yield parts[-2].replace("_", "-").lstrip("-")


def _content(directory: Path, path: str) -> bytes:
    """A file below a directory, as far as it may be large. Raises PetalError."""
    try:
        with below.file(directory, path) as stream:
            return stream.read(modulefiles.SIZE_LIMIT + 1)
    except FileNotFoundError as error:
        raise PetalError("there is no such file") from error
    except OSError as error:
        raise PetalError(f"it cannot be read: {os.strerror(error.errno or 0)}") from error
