# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fingerprint: one digest of everything in a seed that decides the bytes on its volume, and nothing else.

It is the same on every machine, Python and release. Whoever changes what stands here must raise VERSION, or
volumes with other software would be found under it; a test keeps known digests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar, rules
from ansible_collections.petal.hpc.plugins.module_utils._seed.model import Seed

#: Version of the fingerprint itself; part of what is digested.
VERSION = 1


def fingerprint(seed: Seed, resolved_refs: Mapping[str, str] | None = None) -> str:
    """``sha256:`` and 64 hexadecimal digits. resolved_refs: see content()."""
    return digest(content(seed, resolved_refs))


def digest(value: Mapping[str, Any]) -> str:
    """The digest of plain data by its canonical JSON: keys sorted, no spaces, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def content(seed: Seed, resolved_refs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What is digested, as plain data.

    resolved_refs: commits at which the branches ``spack`` and ``packages`` stand. Releases and commits are the
    same for ever: for them it is not asked, so that a machine without network finds the same fingerprint.
    """
    software = seed.software
    return {
        "fingerprint": VERSION,
        "os": seed.cluster.os,
        "architecture": seed.cluster.architecture,
        "mount_dir": seed.software_volume.mount_dir,
        "spack": _spack(seed, resolved_refs or {}),
        "containers": sorted(
            ({"name": c.name, "image": c.image, "modules": sorted(set(c.modules))} for c in software.containers),
            key=lambda entry: str(entry["name"]),
        ),
        "python_environments": sorted(
            (
                {
                    "name": e.name,
                    "version": e.version,
                    "default": e.default,
                    "python": e.python,
                    "packages": sorted({grammar.canonical_requirement(package) for package in e.packages}),
                }
                for e in software.python_environments
            ),
            key=lambda entry: (str(entry["name"]), str(entry["version"])),
        ),
        "lmod": software.lmod.version,
    }


def _spack(seed: Seed, resolved_refs: Mapping[str, str]) -> dict[str, Any] | None:
    """What Spack puts on the volume; None where it is not used, whatever its settings are."""
    software = seed.software
    if not software.spack_packages and not software.build_from_source:
        return None
    return {
        "version": _pinned(software.spack.version, resolved_refs.get("spack")),
        "packages": _pinned(software.spack.packages, resolved_refs.get("packages")),
        "target": software.spack.target,
        "padded_length": software.spack.padded_length,
        "compiler": software.compiler,
        "specs": sorted(software.spack_packages),
        "build_from_source": sorted(software.build_from_source),
        "in_ami": sorted(software.in_ami),
    }


def _pinned(ref: str | None, commit: str | None) -> str | None:
    return ref if ref is None or commit is None or rules.is_pinned(ref) else commit
