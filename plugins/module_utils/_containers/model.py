# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image on a volume: where it lies, how it is made, and what is said of it. No I/O."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._containers import manifests
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed import images

#: Below a volume's root, by the digests of images.
IMAGES = "containers/images/sha256"
#: Where programs are looked for where the configuration of an image does not say it (source: OCI runtimes).
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What Apptainer reads in an image before it runs something of it (source: its user guide, environment and metadata).
ENVIRONMENT_FILE = ".singularity.d/env/10-docker2singularity.sh"
LABELS_FILE = ".singularity.d/labels.json"
COMPRESSIONS = ("zstd", "gzip", "lz4", "xz", "lzo")
#: Labels of images that say what it is (source: OCI image specification, annotations).
_TITLE = ("org.opencontainers.image.description", "org.opencontainers.image.title", "description", "summary")
#: Halves of characters, which JSON can write and no file can hold; readers of the language Go replace them as well.
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
#: Header and descriptors of a SIF file (source: apptainer/sif, version 1 of the format); little endian, packed.
_SIF_MAGIC, _SIF_HEADER = b"SIF_MAGIC\0", struct.Struct("<32s10s3s3s16s8q")
_SIF_DESCRIPTOR = struct.Struct("<iBIII5q2q128s384s")
_SIF_PARTITION, _SIF_SQUASHFS, _SIF_PRIMARY = 0x4004, 1, 2


@dataclass(frozen=True)
class Wanted:
    """An image and what it is to be on the volume.

    name, version: of its module. image: as the seed names it. digest: what that stands for. architecture: of the seed.
    programs: commands in the image, by the names of their modules. compression: of squashfs.
    """

    name: str
    version: str
    image: str
    digest: str
    architecture: str
    programs: Mapping[str, str]
    compression: str = COMPRESSIONS[0]

    @property
    def what(self) -> str:
        """How it is called in messages."""
        return f"container {self.name}/{self.version} ({self.image})"

    @property
    def reference(self) -> images.Reference:
        return images.parse(self.image)

    @property
    def hexadecimal(self) -> str:
        return self.digest.partition(":")[2]

    @property
    def file(self) -> str:
        """The image, below the volume's root."""
        return f"{IMAGES}/{self.hexadecimal}.sqsh"

    @property
    def record_file(self) -> str:
        """What is known of it, which is written last."""
        return f"{IMAGES}/{self.hexadecimal}.json"


def completed(text: str, wanted: Wanted) -> dict[str, Any] | None:
    """The record of an image that is there whole; None where it is to be made, or to be looked at again."""
    try:
        found = json.loads(text)
        same = (found["digest"], found["compression"]) == (wanted.digest, wanted.compression) and "audit" in found
        known = all(found["programs"].get(command) for command in wanted.programs.values())
        return found if same and known else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def programs_before(text: str, wanted: Wanted) -> dict[str, str]:
    """The programs that a record names of the same image."""
    try:
        found = json.loads(text)
        return dict(found["programs"]) if found["digest"] == wanted.digest else {}
    except (ValueError, KeyError, TypeError):
        return {}


def described(wanted: Wanted, record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a manifest says of an image; in check mode with nothing of what is not there."""
    known = record or {"labels": {}, "programs": {}}
    # The record is the image's, which other containers may have asked for other programs.
    asked = set(wanted.programs.values())
    return {
        **{key: getattr(wanted, key) for key in ("name", "version", "image", "digest", "file")},
        "platform": f"linux/{manifests.ARCHITECTURES[wanted.architecture]}",
        **{key: known.get(key) for key in ("sha256", "size", "labels", "os", "packages", "problems", "audit")},
        "programs": {name: place for name, place in known["programs"].items() if name in asked},
        "summary": summary(known["labels"]),
    }


def variables(config: Mapping[str, Any]) -> dict[str, str]:
    """The environment that an image's configuration asks for."""
    given = _part(config, "Env", list)
    pairs = (_text(entry).partition("=") for entry in given)
    return {name: value for name, _equals, value in pairs if _NAME.fullmatch(name) and "\0" not in value}


def labels(config: Mapping[str, Any]) -> dict[str, str]:
    found = _part(config, "Labels", dict)
    return {_text(name): _text(value) for name, value in sorted(found.items())}


def _text(value: Any) -> str:
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def _part(config: Mapping[str, Any], name: str, kind: type) -> Any:
    """A part of a configuration, which is whatever its author has written; an empty one for what is none."""
    inner = config.get("config")
    found = inner.get(name) if isinstance(inner, dict) else None
    return found if isinstance(found, kind) else kind()


def environment_script(given: Mapping[str, str]) -> str:
    """What sets an image's variables, as Apptainer's conversion does: PATH always, others where they are not set."""
    lines = ["#!/bin/sh"]
    for name, value in given.items():
        quoted = f"{name}={shlex.quote(value)}"
        lines.append(
            f"{quoted}; export {name}" if name == "PATH" else f'[ -n "${{{name}+x}}" ] || {quoted}; export {name}'
        )
    return "\n".join(lines) + "\n"


def path_in_script(text: str) -> str:
    """PATH as Apptainer's conversion of an image sets it; empty where it does not."""
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        path = re.match(r"[A-Za-z0-9_./:+-]+", value.lstrip('"'))
        if name == "PATH" and equals and path:
            return path[0]
    return ""


def summary(found: Mapping[str, str]) -> str:
    """One line of what an image is, for ``module whatis``."""
    for name in _TITLE:
        text = " ".join("".join(c if c.isprintable() else " " for c in found.get(name, "")).split())
        if text:
            return text[:200]
    return "Programs of a container image"


def skopeo_copy(source: str, target: str, architecture: str, more: Sequence[str] = ()) -> list[str]:
    """How an image is copied, that of one platform where there are several."""
    platform = ["--override-os", "linux", "--override-arch", architecture]
    return ["skopeo", *platform, "copy", "--quiet", *more, source, target]


def skopeo_raw(source: str, more: Sequence[str] = ()) -> list[str]:
    """How an index or manifest is read as its registry has it. more: options of a copy."""
    return ["skopeo", "inspect", "--raw", *(option.replace("--src-", "--") for option in more), source]


def umoci_unpack(layout: str, target: str) -> list[str]:
    """How the layers become a file system, by a user who is not root: files of all owners are that user's."""
    return ["umoci", "raw", "unpack", "--rootless", "--image", f"{layout}:image", target]


def mksquashfs(tree: str, target: str, compression: str) -> list[str]:
    """How a file system becomes one file: the same bytes for the same tree, whoever makes it and whenever."""
    same = ["-mkfs-time", "0", "-all-time", "0", "-processors", "1", "-all-root", "-no-xattrs"]
    return ["mksquashfs", tree, target, "-noappend", "-no-progress", "-quiet", "-comp", compression, *same]


def unsquashfs(file: str, target: str) -> list[str]:
    """How one is unpacked."""
    return ["unsquashfs", "-no-progress", "-quiet", "-no-xattrs", "-ignore-errors", "-dest", target, file]


def squashfs_in_sif(head: bytes, what: str) -> tuple[int, int]:
    """Offset and length of the file system in a SIF file, in bytes. Raises PetalError where it has none.

    :param head: the beginning of the file, its descriptors included.
    """
    try:
        fields = _SIF_HEADER.unpack_from(head)
        magic, count, offset = fields[1], fields[8], fields[9]
        if magic != _SIF_MAGIC or not 0 < count <= 1000:
            raise ValueError
        for index in range(count):
            entry = _SIF_DESCRIPTOR.unpack_from(head, offset + index * _SIF_DESCRIPTOR.size)
            system, kind = struct.unpack_from("<ii", entry[-1])
            if (entry[0], entry[1], system, kind) == (_SIF_PARTITION, 1, _SIF_SQUASHFS, _SIF_PRIMARY):
                return int(entry[5]), int(entry[6])
    except (struct.error, ValueError):
        raise PetalError(f"{what} is no SIF file, although its artifact says so") from None
    raise PetalError(f"{what} holds no squashfs that could be run: an encrypted SIF, or one with another file system")


def candidates(command: str, path: str) -> list[str]:
    """Where a command may be in an image."""
    if "/" in command:
        return [posixpath.normpath("/" + command.lstrip("/"))]
    # What does not begin at the root would begin where the user is.
    directories = dict.fromkeys(part for part in path.split(":") if part.startswith("/"))
    return [posixpath.join(directory, command) for directory in directories]


def missing(wanted: Wanted, found: Mapping[str, str], path: str) -> str:
    """What is said where an image lacks programs; empty where it has all."""
    lacking = sorted({command for command in wanted.programs.values() if not found.get(command)})
    if not lacking:
        return ""
    return (
        f"{wanted.what} has no program {', '.join(lacking)}: looked for in {path} of the image. Name one that is "
        "there, or its path: modules: {NAME: {command: /opt/tool/bin/NAME}}"
    )
