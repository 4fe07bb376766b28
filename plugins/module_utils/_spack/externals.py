# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an image has, as externals of the Spack of a volume: of the documents of one that petal.hpc made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.agreement import can_be
from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import COMPILERS, parse
from ansible_collections.petal.hpc.plugins.module_utils._spack.lockfile import parse_database, parse_lock
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import EXTERNAL

#: What says nothing about an external: where its source came from, and the flags of its compilers.
_SOURCES = ("branch", "commit", "dev_path", "namespace", "patches", "ref", "tag")
_FLAGS = ("cflags", "cppflags", "cxxflags", "fflags", "ldflags", "ldlibs")
_UNSAID = frozenset((*_SOURCES, *_FLAGS))
#: Most of the packages that a message names of those which provide the same.
_PROVIDERS = 6
_PLAIN = re.compile(r"[A-Za-z0-9_.,:+/=-]+")
#: Spack's release from which an external says by which compiler it was made.
SAYS_COMPILER = (1, 1)


class ImageError(PetalError):
    """An image has not what a seed says that it has."""


@dataclass(frozen=True)
class Offer:
    """A package that is in an image.

    asked: as what it was installed, or detected; name, version; variants: as words of a spec; prefix; compiler: what
    made it, as ``gcc@12.2.0``, or nothing; attributes: what Spack detected of it beside (extra_attributes).
    """

    asked: str
    name: str
    version: str
    variants: str
    prefix: str
    compiler: str = ""
    attributes: Mapping[str, Any] | None = None

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def exact(self) -> str:
        """The spec that nothing else fits."""
        return f"{self.name}@={self.version}"

    def external(self, compilers: Iterable[str]) -> dict[str, Any]:
        """An entry of packages.yaml. compilers: those that Spack is told of."""
        made = f"%{self.compiler}" if self.compiler in compilers else ""
        found: dict[str, Any] = {
            "spec": " ".join(filter(None, [self.label, self.variants, made])),
            "prefix": self.prefix,
        }
        if self.attributes:
            found["extra_attributes"] = dict(self.attributes)
        return found


def from_documents(lock: str, database: str) -> list[Offer]:
    """The packages that somebody asked for, by Spack's lock and the database of its store. Raises SpackError."""
    nodes, prefixes = parse_lock(lock), parse_database(database)
    found = []
    raw = json.loads(lock)["concrete_specs"]
    for key, node in nodes.items():
        if node.root is None or node.external is not None or not prefixes.get(key):
            continue
        makers = [
            nodes[one]
            for one, kinds in node.dependencies.items()
            if one in nodes and nodes[one].name in COMPILERS and "build" in kinds
        ]
        compiler = f"{makers[0].name}@{makers[0].version}" if makers and node.name not in COMPILERS else ""
        variants = words(raw[key].get("parameters") or {})
        found.append(Offer(node.root, node.name, node.version, variants, prefixes[key], compiler))
    return found


def not_of_image(packages: Iterable[Mapping[str, Any]]) -> list[str]:
    """What of the packages that an image is to have Spack would not install for it, each in a clause.

    packages: those of an environment, as Package.to_dict has them.
    """
    found = []
    for package in packages:
        name, text, prefix = str(package["name"]), str(package["spec"]), package["prefix"]
        label = f"{name}@{package['version']}"
        if not package["explicit"]:
            continue
        if parse(text).name != name:
            found.append(f"{text} is no package but what several provide, {label} among them: write that one")
        elif package["origin"] == EXTERNAL:
            advice = "ask for another version, or leave it out"
            found.append(f"{text} would be {label} of {prefix}, which no image gets: {advice}")
    return found


def no_packages(providers: Mapping[str, Sequence[str]]) -> str:
    """What is said of names that stand for no package of their own. providers: those that provide each."""
    meant = [
        f"{name} ({', '.join(every[:_PROVIDERS])}{', …' if len(every) > _PROVIDERS else ''})"
        for name, every in sorted(providers.items())
    ]
    return (
        f"software.in_ami names {', '.join(meant)}: no package, but what several provide. Write the one that is meant."
    )


def words(parameters: Mapping[str, Any]) -> str:
    """The variants of a concrete spec that an external can bear, as words of a spec."""
    found = []
    for name, value in sorted(parameters.items()):
        if name in _UNSAID:
            continue
        if isinstance(value, bool):
            found.append(f"{'+' if value else '~'}{name}")
        else:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            if _PLAIN.fullmatch(text):
                found.append(f"{name}={text}")
    return " ".join(found)


def from_detected(external: Mapping[str, Any]) -> Offer:
    """A package as Spack has detected it."""
    spec = parse(str(external["spec"]))
    version = ",".join(str(item).lstrip("=") for item in spec.versions.items)
    variants = str(external["spec"]).partition(" ")[2]
    attributes = external.get("extra_attributes") or None
    return Offer(str(external["spec"]), spec.name, version, variants, str(external["prefix"]), attributes=attributes)


def chosen(
    wanted: Sequence[str], offers: Sequence[Offer], fits: Sequence[Sequence[int]], where: str, there: Sequence[Offer]
) -> list[Offer]:
    """What serves each spec, in their order. fits: for each of them the numbers of the offers that Spack takes for it.
    there: what a message says that there is.

    Raises ImageError, which names all that is missing, and what there is.
    """
    missing = [text for text, numbers in zip(wanted, fits) if not numbers]
    if missing:
        names = {parse(text).name for text in wanted}
        seen = sorted({f"{one.label} {one.variants}".strip() for one in there if one.name in names})
        raise ImageError(
            f"{where} does not have {', '.join(missing)} (software.in_ami). Found of these packages: "
            f"{'; '.join(seen) or 'nothing'}. Write what is there into software.in_ami, name another image, or let "
            "these packages be on the volume (software.spack_packages)."
        )
    return [offers[numbers[0]] for numbers in fits]


def with_compilers(offers: Iterable[Offer], detected: Iterable[Mapping[str, Any]]) -> list[Offer]:
    """The same, compilers with what Spack says of their programs. Raises ImageError for one that it does not know."""
    known = {str(one["prefix"]): from_detected(one) for one in detected}
    found = []
    for offer in offers:
        if offer.name not in COMPILERS or offer.attributes is not None:
            found.append(offer)
        else:
            seen = known.get(offer.prefix)
            if seen is None or not seen.attributes:
                raise ImageError(
                    f"Spack finds no compiler in {offer.prefix}, where {offer.label} of the image should be."
                )
            found.append(replace(offer, variants=seen.variants, attributes=seen.attributes))
    return found


def settings(
    offers: Sequence[Offer], beside: Sequence[Mapping[str, Any]], asked: Sequence[str], says_compiler: bool
) -> dict[str, Any]:
    """Of packages.yaml: what is in the image is not built.

    beside: externals of GCC that stay known. asked: the compilers that a seed asks for: where one is required of all
    packages, Spack takes no external that says that it was made by another one.
    """
    makers = {
        (offer.label, offer.prefix) for offer in (*map(from_detected, beside), *offers) if offer.name in COMPILERS
    }
    labels = [label for label, _prefix in makers]
    # Spack refuses a name that two compilers have.
    known = [label for label in labels if labels.count(label) == 1 and len(set(asked)) <= 1]
    known = [label for label in known if all(can_be(parse(label), parse(one)) for one in asked)]
    found: dict[str, Any] = {}
    for offer in offers:
        externals = found.setdefault(
            offer.name, {"buildable": False, "externals": [dict(one) for one in beside] if offer.name == "gcc" else []}
        )["externals"]
        entry = offer.external(known if says_compiler else ())
        same = [
            one
            for one in externals
            if one["prefix"] == offer.prefix and f"{one['spec']} ".startswith(f"{offer.label} ")
        ]
        externals += [] if same else [entry]
    return found
