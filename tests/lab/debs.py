# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Package files of Debian's form, made here: small ones whose programs are shell scripts."""

from __future__ import annotations

import io
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import MACHINES, PACKAGES, Machine

#: Times of files in packages, some day in 2026.
TIME = 1_770_000_000
LOADER = """#!/bin/sh
# Runs a program with these libraries, or lists what a program needs.
case $1 in
    --list) [ ! -e "${0%/*}/list" ] || cat "${0%/*}/list" ;;
    --library-path) shift 2; exec sh "$@" ;;
esac
"""
#: Notes what it was told at the end of the program.
PATCHELF = '#!/bin/sh\nfor program; do :; done\necho "# $*" | sed "s|[^ ]*/new/|/new/|" >>"$program"\n'
APPTAINER = "#!/bin/sh\necho apptainer version 1.4.5\n"


def machine() -> Machine:
    """Of this host."""
    return MACHINES[platform.machine()]


def tar(files: Mapping[str, str], packed: str = "xz") -> bytes:
    """A tar archive; a text that begins with ``->`` is a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{packed}") as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.mtime = TIME
            if text.startswith("->"):
                entry.type, entry.linkname = tarfile.SYMTYPE, text.removeprefix("->")
                archive.addfile(entry)
                continue
            entry.size = len(text.encode())
            # What a program must not keep: its setuid bit.
            entry.mode = 0o6755 if text.startswith("#!") else 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def ar(parts: Mapping[str, bytes]) -> bytes:
    """An archive of ar(1)."""
    data = b"!<arch>\n"
    for name, content in parts.items():
        data += f"{name:<16}{TIME:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        data += b"\n" * (len(content) % 2)
    return data


def deb(name: str, version: str, architecture: str, files: Mapping[str, str], source: str = "") -> bytes:
    """A package file."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
    control += f"Source: {source}\n" if source else ""
    return ar(
        {
            "debian-binary": b"2.0\n",
            "control.tar.xz": tar({"control": control + "Description: made for a test\n"}),
            "data.tar.xz": tar(files),
        }
    )


def files_of(name: str, on: Machine) -> dict[str, str]:
    """What a package has, as far as it is wanted, and something that is not."""
    libraries = f"usr/{on.libraries}"
    found = {f"usr/share/doc/{name}/copyright": f"of {name}\n", f"usr/share/man/{name}.1": "a manual page\n"}
    for library in PACKAGES[name].libraries:
        found |= {f"{libraries}/{library}": f"->{library}.0.0", f"{libraries}/{library}.0.0": f"library {library}\n"}
    return found | {
        "apptainer": {
            "usr/bin/apptainer": APPTAINER,
            f"{libraries}/apptainer/bin/starter": "#!/bin/sh\n",
            f"{libraries}/apptainer/lib/offsetpreload.so": "library\n",
            "etc/apptainer/apptainer.conf": "allow setuid = yes\n",
            "etc/apptainer/nvliblist.conf": "libcuda.so\n",
            "etc/apptainer/network/00_bridge.conflist": "{}\n",
            "etc/apptainer/seccomp-profiles/default.json": "{}\n",
        },
        "libc6": {f"{libraries}/{on.loader}": LOADER},
        "patchelf": {"usr/bin/patchelf": PATCHELF},
        "squashfuse": {"usr/bin/squashfuse_ll": "#!/bin/sh\n"},
    }.get(name, {})


def all_of_apptainer(directory: Path, on: Machine | None = None, **versions: str) -> Path:
    """A directory with each package that Apptainer takes, in the version 1.0 where no other is named."""
    on = on or machine()
    directory.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        version = versions.get(name, "1.0")
        (directory / f"{name}_{version}_{on.deb}.deb").write_bytes(deb(name, version, on.deb, files_of(name, on)))
    return directory
