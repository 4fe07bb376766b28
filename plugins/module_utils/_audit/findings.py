# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an audit found of a volume, and the verdict on who may be given it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._audit.spdx import (
    IS_NOT_OPEN,
    IS_OPEN,
    is_known,
    standing,
)
from ansible_collections.petal.hpc.plugins.module_utils._audit.table import SPACK
from ansible_collections.petal.hpc.plugins.module_utils._components.bom import NO_BILL, has, listed, values
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.vendors import (
    is_vendors_compiler,
    licence_of,
    vendor_of,
)
from ansible_collections.petal.hpc.plugins.module_utils._sharing.verdict import (
    ACCOUNTS,
    PRIVATE,
    PUBLIC,
    Verdict,
    render,
)

# Of what is listed; the numbers are of all.
LIST_LIMIT = 100
WARN_LIMIT = 5


class AuditError(PetalError):
    """A volume cannot be looked through, or its bill of materials cannot be read."""


@dataclass(frozen=True)
class Find:
    """A file below the mount directory, and what it is, as in "private key"."""

    path: str
    why: str


@dataclass(frozen=True)
class Component:
    """A package of the bill of materials. licence: an SPDX expression or a text; None where nothing is said.

    image: the container image that it is in; empty for what is right on the volume.
    """

    name: str
    version: str
    licence: str | None
    image: str = ""

    @property
    def label(self) -> str:
        return f"{self.image}:{self.name}" if self.image else self.name

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {key: value for key, value in asdict(self).items() if key != "image" or value}


@dataclass(frozen=True)
class Licences:
    """Packages by what their licences let one do. open: how many are open."""

    open: int = 0
    not_open: tuple[Component, ...] = ()
    unknown: tuple[Component, ...] = ()


@dataclass(frozen=True)
class Audit:
    """All that was found. files: how many were seen; read: how many of them were looked into.

    test_data: secrets of packages' own tests. accepted: those that somebody has looked at, who says that they are none.
    compilers: of vendors, which built what is on it and are not on it themselves, as NAME@VERSION. unread: what is not
    known of the packages of its images, a sentence each.
    """

    sensitive: tuple[Find, ...]
    test_data: tuple[Find, ...]
    accepted: tuple[Find, ...] = ()
    unreadable: tuple[Find, ...] = ()
    licences: Licences = field(default_factory=Licences)
    files: int = 0
    read: int = 0
    compilers: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def verdict(self) -> Verdict:
        """Private with anything sensitive, or that could not be looked at; public where every licence is open."""
        reasons = [f"{find.path} is a {find.why}" for find in self.sensitive]
        reasons += [f"{find.path} could not be read" for find in self.unreadable]
        if reasons:
            return Verdict(PRIVATE, tuple(reasons))
        reasons = [_not_open(one) for one in self.licences.not_open]
        reasons += [
            f"{label} built some of it, and what is {vendor_of(label.partition('@')[0])}'s is not to be published"
            for label in self.compilers
        ]
        reasons += [*map(_unknown, (one for one in self.licences.unknown if not one.image))]
        reasons += [*_unknown_inside([one for one in self.licences.unknown if one.image]), *self.unread]
        return Verdict(ACCOUNTS, tuple(reasons)) if reasons else Verdict(PUBLIC)

    def warnings(self) -> list[str]:
        """One line where something is sensitive, with the first of it and the way out."""
        found = self.sensitive + self.unreadable
        if not found:
            return []
        named = ", ".join(f"{find.path} ({find.why})" for find in found[:WARN_LIMIT])
        more = f" and {len(found) - WARN_LIMIT} more" if len(found) > WARN_LIMIT else ""
        return [
            f"this volume has sensitive files and is to stay private: {named}{more}. Remove what brings them and build "
            "again, or name those that are no secrets in software_volume_audit_accept"
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, lists cut to the first of each kind."""
        verdict = self.verdict()
        return {
            "verdict": {"level": verdict.level, "reasons": list(verdict.reasons[:LIST_LIMIT])},
            "tag": render(verdict),
            "sensitive": _cut(self.sensitive + self.unreadable),
            "sensitive_count": len(self.sensitive) + len(self.unreadable),
            "test_data": _cut(self.test_data),
            "test_data_count": len(self.test_data),
            "accepted": _cut(self.accepted),
            "licences": {
                "open": self.licences.open,
                "not_open": [one.to_dict() for one in self.licences.not_open],
                "unknown": [one.to_dict() for one in self.licences.unknown],
            },
            "compilers": list(self.compilers),
            "unread": list(self.unread),
            "files": self.files,
            "files_read": self.read,
        }


def _cut(finds: Sequence[Find]) -> list[dict[str, str]]:
    return [asdict(find) for find in finds[:LIST_LIMIT]]


def _not_open(one: Component) -> str:
    vendor = vendor_of(one.name) if one.licence == licence_of(one.name) else ""
    return f"{one.label} is {vendor}'s and not to be published" if vendor else f"{one.label} has licence {one.licence}"


def _unknown(one: Component) -> str:
    return f"{one.name} has {'licence ' + one.licence + ', which is not known' if one.licence else 'no known licence'}"


def _unknown_inside(packages: Sequence[Component]) -> Iterator[str]:
    """One reason for each image: of a system's packages many have licences of their own."""
    for image in sorted({one.image for one in packages}):
        names = [one.name for one in packages if one.image == image]
        some = ", ".join(names[:WARN_LIMIT])
        if len(names) == 1:
            yield f"{image}: the licence of {some} in it is not known"
        else:
            more = ", such as" if len(names) > WARN_LIMIT else ":"
            yield f"{image}: the licences of {len(names)} packages in it are not known{more} {some}"


def compilers(system: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The compilers of vendors among packages of the host that a volume was built with, as NAME@VERSION.

    :param system: externals, as petal.hpc.spack_environment returns them.
    """
    named = ((str(one.get("name", "")), str(one.get("version", ""))) for one in system)
    return tuple(sorted({f"{name}@{version}" for name, version in named if is_vendors_compiler(name)}))


def licences(components: Iterable[Component]) -> Licences:
    """Sort packages by their licences; one that is there more than once counts once."""
    opened, not_open, unknown = 0, [], []
    for one in sorted(set(components), key=lambda item: (item.image, item.name, item.version, item.licence or "")):
        found = standing(one.licence)
        if found == IS_OPEN:
            opened += 1
        elif found == IS_NOT_OPEN:
            not_open.append(one)
        else:
            unknown.append(one)
    return Licences(opened, tuple(not_open), tuple(unknown))


def components(bom: Any, stated: Mapping[str, str] | None = None) -> list[Component]:
    """The packages of a bill of materials in CycloneDX JSON. Raises AuditError with what is wrong.

    :param stated: licences by package, of those of which the bill says nothing that is known; of packages inside of
        images by shell patterns of ``IMAGE:PACKAGE``.
    """
    found = listed(bom)
    if found is None:
        raise AuditError(NO_BILL)
    # What every node has of its own is given to nobody.
    ours = [item for item in found if not has(item, "petal:origin", "system")]
    return [one for item in ours for one in (_inside(item, stated or {}) or [_component(item, stated or {})])]


def _component(item: Mapping[str, Any], stated: Mapping[str, str]) -> Component:
    name, licence = str(item.get("name", "")), _licence(item.get("licenses"))
    if _is_of_spack(item) and vendor_of(name):
        # Whatever is said of it: nobody but the vendor can allow more.
        licence = licence_of(name)
    elif not is_known(licence):
        licence = stated.get(name) or (SPACK.get(name) if _is_of_spack(item) else None) or licence
    return Component(name, str(item.get("version", "")), licence)


def _inside(item: Mapping[str, Any], stated: Mapping[str, str]) -> list[Component]:
    """A package inside of images, once for each of them. Who states licences of many does so by a pattern."""
    if not has(item, "petal:origin", "image"):
        return []
    found = []
    for image in values(item, "petal:image"):
        one = Component(str(item.get("name", "")), str(item.get("version", "")), _licence(item.get("licenses")), image)
        if not is_known(one.licence):
            told = next((text for pattern, text in stated.items() if fnmatchcase(one.label, pattern)), one.licence)
            one = replace(one, licence=told)
        found.append(one)
    return found


def _is_of_spack(item: Mapping[str, Any]) -> bool:
    properties = item.get("properties")
    return isinstance(properties, list) and {"name": "petal:manager", "value": "spack"} in properties


def _licence(entries: Any) -> str | None:
    """All that a component says, joined with AND: several licences of a component hold together (CycloneDX 1.6)."""
    texts = []
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, Mapping):
            return None
        licence = entry.get("license")
        inner = licence if isinstance(licence, Mapping) else {}
        text = entry.get("expression") or inner.get("id") or inner.get("name")
        if not isinstance(text, str):
            return None
        texts.append(text)
    return texts[0] if len(texts) == 1 else " AND ".join(f"({text})" for text in texts) or None
