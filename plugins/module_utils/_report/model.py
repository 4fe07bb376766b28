# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report of a build is made of: its packages, how each came to be there, when, and what it takes.

Read from a volume's manifest and from the record of its Spack environment. Names, licences and paths in both are of
others: texts are cut, and numbers that cannot be are taken for unknown.
"""

from __future__ import annotations

import math
import posixpath
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import (
    IS_NOT_OPEN,
    IS_OPEN,
    IS_UNKNOWN,
    is_known,
    standing,
)
from ansible_collections.petal.hpc.plugins.module_utils._audit.table import SPACK as KNOWN_LICENCES
from ansible_collections.petal.hpc.plugins.module_utils._components import images
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import python_name

#: Where a package comes from, in the order in which that is shown, and what is said of it.
ORIGINS = {
    "source": "built from source",
    "cache": "taken from a binary cache",
    "base": "taken from the volume that this one was made from",
    "index": "taken from a package index",
    "address": "taken from an address in the seed",
    "registry": "pulled from a registry of container images",
    "tool": "only built others, not on the volume",
    "installed": "was there before this build",
    "external": "the operating system's, not on the volume",
    "other": "of no known origin",
}
TEXT_LIMIT = 200
#: More than any stack has; what comes after is counted, and not shown.
PACKAGES_LIMIT = 5000
FINDINGS_LIMIT = 50
_LONGEST = 10 * 365 * 86400.0
_LATEST = 1e11
_MOST = 2**60


class ReportError(PetalError):
    """What a report is to be made of is not what this collection writes."""


@dataclass(frozen=True)
class Step:
    """One package. key: what others name it by. needs: keys of what has to be there before it can be begun.

    origin: one of ORIGINS. seconds: what it took; started, ended: since 1970; None where nobody noted that. taken:
    bytes on the volume, None where they are not its own. standing: of its licence, as in _audit.spdx.
    """

    key: str
    name: str
    version: str
    manager: str
    origin: str
    needs: tuple[str, ...] = ()
    seconds: float | None = None
    started: float | None = None
    ended: float | None = None
    taken: int | None = None
    license: str = ""
    standing: str = "unknown"

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Part:
    """Something that takes space. kind: ``package`` (of Spack), ``environment`` (of Python) or ``rest``."""

    label: str
    kind: str
    taken: int


@dataclass(frozen=True)
class Build:
    """All that a report says, but for what is computed of it.

    left_out: packages beyond the limit. install: seconds that Spack took for all of them, None where it did nothing.
    """

    name: str
    facts: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    parts: tuple[Part, ...]
    findings: tuple[tuple[str, str], ...]
    install: float | None = None
    left_out: int = 0

    def times(self) -> list[Step]:
        """What has a beginning and an end."""
        return [one for one in self.steps if one.started is not None and one.ended is not None]


def text(value: Any, limit: int = TEXT_LIMIT) -> str:
    """A value as one line that can be shown: cut, and without what is no character or turns the direction of writing.

    >>> text("a\\x1b[0m\\nb")
    'a�[0m b'
    """
    found = " ".join(str("" if value is None else value)[: limit + 1].split())
    shown = "".join("\ufffd" if unicodedata.category(one)[0] == "C" else one for one in found)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def number(value: Any, most: float = _LONGEST) -> float | None:
    """A number from 0 to ``most``; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= most else None


def read(manifest: Mapping[str, Any], environment: Mapping[str, Any]) -> Build:
    """The report of a manifest, and of the record of the Spack environment that its packages are of; ``{}`` for none.

    Raises ReportError where one of them is not what this collection writes.
    """
    try:
        return _read(manifest, environment)
    except KeyError as error:
        raise ReportError(f"the manifest has no {error}; it does not come from this collection") from error
    except (AttributeError, OverflowError, TypeError, ValueError, RecursionError) as error:
        raise ReportError(f"the manifest is not as this collection writes it: {error}") from error


def _read(manifest: Mapping[str, Any], environment: Mapping[str, Any]) -> Build:
    sizes = manifest.get("sizes") or {}
    measured = {str(path): min(int(size), _MOST) for path, size in (sizes.get("parts") or {}).items()}
    root = str(manifest["mount_dir"])
    listed = list(manifest["packages"])
    tools = {str(one["hash"]): {**one, "origin": "tool"} for one in environment.get("tools") or ()}
    recorded = {**tools, **{str(one["hash"]): one for one in environment.get("packages") or ()}}
    known = {str(one.get("hash") or "") for one in listed}
    beside = [{**one, "manager": "spack"} for key, one in recorded.items() if key not in known]
    every = [_step(one, recorded, measured, root, _of_index(manifest)) for one in (*beside, *listed)]
    every += map(_pulled, manifest.get("images") or ())
    # A package of Python may be in several environments, each time the same.
    steps = _without_others({one.key: one for one in every})
    return Build(
        name=text(manifest["name"]),
        facts=tuple((key, text(value)) for key, value in _facts(manifest, sizes, environment)),
        steps=tuple(_ordered(steps)[:PACKAGES_LIMIT]),
        parts=tuple(_parts(measured, root, listed, manifest.get("components") or ()))[:PACKAGES_LIMIT],
        findings=tuple(_findings(manifest)),
        install=number(environment.get("install_s")),
        left_out=max(0, len(steps) - PACKAGES_LIMIT),
    )


def _without_others(steps: Mapping[str, Step]) -> list[Step]:
    """All but tools with which nothing of this build was built: they are of a build before it."""
    used = {key for key, one in steps.items() if one.origin == "source"}
    waiting = list(used)
    while waiting:
        more = {key for key in steps[waiting.pop()].needs if key in steps and steps[key].origin == "tool"} - used
        used |= more
        waiting += more
    return [one for key, one in steps.items() if one.origin != "tool" or key in used]


def _ordered(steps: Iterable[Step]) -> list[Step]:
    """In the order in which they were begun; then what has no time, by name."""
    return sorted(steps, key=lambda one: (one.started is None, one.started or 0.0, one.name, one.version, one.key))


def _step(
    entry: Mapping[str, Any],
    recorded: Mapping[str, Mapping[str, Any]],
    measured: Mapping[str, int],
    root: str,
    of_index: Mapping[str, str],
) -> Step:
    manager, digest = str(entry.get("manager") or ""), str(entry.get("hash") or "")
    record = recorded.get(digest, {}) if manager == "spack" else {}
    origin = str(record.get("origin") or entry.get("origin") or "")
    if manager == "pypi":
        origin = of_index.get(python_name(str(entry["name"])), "index")
    needs = [*(record.get("dependencies") or ())]
    # What comes from a cache is not built: what only its build needs it does not wait for.
    needs += record.get("build_dependencies") or () if origin in ("source", "tool") else ()
    started, ended = (number(record.get(key), _LATEST) for key in ("started", "ended"))
    if started is None or ended is None or ended < started:
        started = ended = None
    licence = str(entry.get("license") or record.get("license") or "")
    if manager == "spack" and not is_known(licence or None):
        licence = KNOWN_LICENCES.get(str(entry["name"]), licence)
    return Step(
        key=digest if manager == "spack" else f"{manager}:{entry['name']}@{entry['version']}",
        name=text(entry["name"]),
        version=text(entry["version"]),
        manager=text(manager),
        origin=origin if origin in ORIGINS else "other",
        needs=tuple(str(key) for key in needs),
        seconds=number(record.get("seconds")),
        started=started,
        ended=ended,
        taken=measured.get(_below(root, str(entry.get("prefix") or ""))),
        license=text(licence),
        standing=standing(licence or None),
    )


def _pulled(image: Mapping[str, Any]) -> Step:
    """A container image, which takes what its file does. What is inside of it has no step: it came with it."""
    licence, size = images.licence(image), number(image.get("size"), _MOST)
    return Step(
        key=f"container:{image['digest']}",
        name=text(image["name"]),
        version=text(image.get("version")),
        manager=images.CONTAINER,
        origin=images.REGISTRY,
        taken=None if size is None else int(size),
        license=text(licence),
        standing=standing(licence or None),
    )


def _of_index(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Origins of packages of Python that are not from an index, as the seed has them."""
    found = {}
    software = (manifest.get("seed") or {}).get("software") or {}
    for one in software.get("python_environments") or ():
        for asked in one.get("packages") or ():
            name, separator, _address = str(asked).partition("@")
            if separator:
                found[python_name(name.partition("[")[0].strip())] = "address"
        found.update({python_name(str(name)): "source" for name in one.get("build") or ()})
    return found


def _below(root: str, path: str) -> str:
    """A path on the volume as its parts are named; empty for one that is not there."""
    return posixpath.relpath(path, root) if path.startswith(f"{root.rstrip('/')}/") else ""


def _parts(
    measured: Mapping[str, int],
    root: str,
    listed: Iterable[Mapping[str, Any]],
    components: Iterable[Mapping[str, Any]],
) -> Iterable[Part]:
    """What takes space, the largest first."""
    labels = {_below(root, str(one.get("prefix") or "")): f"{one['name']}@{one['version']}" for one in listed}
    beside = {_below(root, str(one.get("path") or "")): f"{one['name']} {one['version']}" for one in components}
    found = []
    for path, size in measured.items():
        words = path.split("/")
        if size <= 0:
            continue
        if path in labels:
            found.append(Part(text(labels[path]), "package", size))
        elif path in beside:
            found.append(Part(text(beside[path]), "rest", size))
        elif words[0] == "envs" and len(words) == 3:
            found.append(Part(text(f"Python {'/'.join(words[1:])}"), "environment", size))
        else:
            found.append(Part("what is right on the volume" if path == "." else text(f"{path}/"), "rest", size))
    return sorted(found, key=lambda one: (-one.taken, one.label))


def _facts(
    manifest: Mapping[str, Any], sizes: Mapping[str, Any], environment: Mapping[str, Any]
) -> Iterable[tuple[str, Any]]:
    versions = manifest.get("versions") or {}
    yield "fingerprint", manifest["fingerprint"]
    yield "build", manifest["build_id"]
    yield "system", f"{manifest.get('os')} {manifest.get('architecture')}"
    yield "mounted at", manifest["mount_dir"]
    if base := manifest.get("base"):
        said = f"{base['snapshot_id']} ({base['name']}), from which {base['taken']} packages were taken"
        yield "made from", said
    yield "begun", manifest.get("started")
    yield "complete", manifest["created"]
    tools = [
        f"{name} {versions[name]}"
        for name in ("petal", "ansible", "spack", "lmod", "uv", "python")
        if versions.get(name)
    ]
    yield "made with", ", ".join(tools)
    if sizes.get("used_bytes"):
        yield (
            "on the volume",
            f"{size_of(min(int(sizes['used_bytes']), _MOST))} in {int(sizes.get('files') or 0):,} files",
        )
    if number(environment.get("concretize_s")):
        yield "solving took", seconds_of(float(environment["concretize_s"]))


def _findings(manifest: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Checks and what they found: (what was looked at, what is so)."""
    sharing = manifest.get("sharing") or {}
    level = text(sharing.get("level") or "not audited")
    yield (
        "may be given to",
        {"public": "everybody", "accounts": "accounts that are named", "private": "nobody"}.get(level, level),
    )
    for reason in _cut(sharing.get("reasons") or ()):
        yield "because", text(reason)
    finds = [f"{one.get('path')}: {one.get('why')}" for one in sharing.get("sensitive") or ()]
    yield "secrets", "none found" if sharing and not finds else f"{len(finds)} found" if finds else "not looked for"
    for find in _cut(finds):
        yield "secret", text(find)
    for image in manifest.get("images") or ():
        yield from _within(image)
    modules = manifest.get("modules") or ()
    yield (
        "modules",
        f"{len(modules)}, of which {len([one for one in modules if one.get('check')])} have a command to check",
    )
    for one in _cut(manifest.get("requires") or ()):
        yield "a node needs", text(f"{one.get('path')} ({one.get('reason')})")
    for path, digest in sorted((manifest.get("locks") or {}).items())[:FINDINGS_LIMIT]:
        yield "lock", text(f"{path} {digest}")


def _within(image: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """What is inside of an image, by managers and by what licences let one do; and what could not be read of it."""
    label, packages = text(images.label(image)), list(image.get("packages") or ())
    managers = Counter(text(one.get("manager")) for one in packages)
    licences = Counter(standing(one.get("license") or None) for one in packages)
    words = [f"{count} of {name}" for name, count in sorted(managers.items())]
    known = [f"{licences[IS_OPEN]} open", f"{licences[IS_NOT_OPEN]} not open", f"{licences[IS_UNKNOWN]} not known"]
    system, listed = text(image.get("os")) or "no known system", ", ".join(words) or "none"
    inside = f"{system}, packages {listed}, licences {', '.join(known)}"
    yield f"image {label}", text(f"{image['digest']}, {inside}", 2 * TEXT_LIMIT)
    for problem in _cut(image.get("problems") or ()):
        yield f"not read in {label}", text(problem, 2 * TEXT_LIMIT)


def _cut(values: Iterable[Any]) -> list[Any]:
    found = list(values)
    more = [f"and {len(found) - FINDINGS_LIMIT} more"] if len(found) > FINDINGS_LIMIT else []
    return [*found[:FINDINGS_LIMIT], *more]


def size_of(count: float) -> str:
    """Bytes as people read them.

    >>> size_of(512), size_of(1536), size_of(3 * 1024**3)
    ('512 B', '1.5 KiB', '3.0 GiB')
    """
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def seconds_of(value: float) -> str:
    """A duration as people read it.

    >>> seconds_of(2.34), seconds_of(64), seconds_of(3723)
    ('2.3 s', '1 min 04 s', '1 h 02 min')
    """
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole // 60 % 60:02d} min"
