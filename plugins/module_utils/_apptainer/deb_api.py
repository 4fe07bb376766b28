# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Package files of Debian, read without Debian's programs (deb(5)): hosts that build for others have none."""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import (
    ApptainerError,
    Deb,
    Machine,
    Package,
    led_to,
    members,
    parse_control,
)
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import explained, sha256_of

_MAGIC = b"!<arch>\n"
_HEADER = 60
#: More than any of the packages has, packed or not: what a file may take of the memory.
_LIMIT = 256 * 1024**2
_BLOCK = 1 << 20


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """One error for whatever is wrong with a package file."""
    try:
        with explained(f"reading the package file {path}"):
            yield
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError, KeyError) as error:
        raise ApptainerError(f"{path} is not a package file that can be read: {error or 'it is cut short'}") from error
    except PetalError as error:
        raise ApptainerError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error


def read(path: Path) -> Deb:
    """What a package file is. Raises ApptainerError."""
    with _reading(path), path.open("rb") as stream:
        digest = sha256_of(stream)
        with _part(path, "control.tar") as tar:
            names = {_plain(member.name): member for member in tar if member.isreg()}
            control = tar.extractfile(names["control"]) if "control" in names else None
            if control is None:
                raise ApptainerError("it has no control file")
            return parse_control(control.read(_BLOCK).decode("utf-8"), digest)


def unpack(path: Path, package: Package, machine: Machine, directory: Path) -> None:
    """Put the parts of a package that are wanted below a directory, with their times, executable or not, and no more.

    Raises ApptainerError.
    """
    with _reading(path), _part(path, "data.tar") as tar:
        found = {_plain(member.name): member for member in tar if member.isreg() or member.issym()}
        links = {name: member.linkname for name, member in found.items() if member.issym()}
        for target, member in sorted(members(package, machine, found).items()):
            entry = found.get(led_to(member, links))
            stream = tar.extractfile(entry) if entry and entry.isreg() and entry.size <= _LIMIT else None
            if entry is None or stream is None:
                raise ApptainerError(f"it has no file {member}")
            place = directory / target
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as copy:
                while block := stream.read(_BLOCK):
                    copy.write(block)
            place.chmod(0o755 if entry.mode & 0o100 else 0o644)
            os.utime(place, (entry.mtime, entry.mtime))


@contextmanager
def _part(path: Path, name: str) -> Iterator[tarfile.TarFile]:
    """One of the two archives in a package file."""
    with path.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise ApptainerError("it does not begin as a package file does")
        while len(header := stream.read(_HEADER)) == _HEADER:
            own, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
            if not 0 <= size <= _LIMIT:
                raise ApptainerError(f"its part {own} has {size} bytes")
            if own.startswith(f"{name}."):
                with _archive(own, stream.read(size)) as tar:
                    yield tar
                return
            stream.seek(size + size % 2, os.SEEK_CUR)
    raise ApptainerError(f"it has no part {name}")


def _archive(name: str, data: bytes) -> tarfile.TarFile:
    if name.rpartition(".")[2] not in ("xz", "gz"):
        raise ApptainerError(f"its part {name} is packed in a way that Debian's packages are not: expected .xz or .gz")
    return tarfile.open(fileobj=io.BytesIO(data), mode="r:*")


def _plain(name: str) -> str:
    return name[2:] if name.startswith("./") else name
