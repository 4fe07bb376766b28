# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documents of a registry: read as what strangers wrote, written in one stable form.

``snapshots/index.json`` names the stacks, ``snapshots/NAME.json`` describes one. Everything is bounded, and every text
has a form in which it can be put into a message, an argument or a file's name. Keys that are not known are passed over,
so that newer registries can be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import (
    ARCHITECTURES,
    canonical_architecture,
    canonical_os,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import FINGERPRINT, SNAPSHOT_ID

VERSION = "1.0"
DIRECTORY = "snapshots"
SEEDS = "seeds"
INDEX = f"{DIRECTORY}/index.json"

# Bytes of a document: an index of 10,000 stacks has 2 to 7 MiB.
INDEX_LIMIT = 16 * 1024**2
STACK_LIMIT = 256 * 1024
# Values of a document: what a short text can grow to in memory.
VALUE_LIMIT = 1_000_000
STACKS_LIMIT = 20_000
VARIANTS_LIMIT = 1000
PACKAGES_LIMIT = 500
DESCRIPTION_LIMIT = 500
# Every refusal that is told of; a hostile index has one for each of its entries.
REFUSALS_LIMIT = 20
SIZE_LIMIT_GB = 64 * 1024

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}", re.ASCII)
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_OS = re.compile(r"[a-z][a-z0-9._-]{0,31}", re.ASCII)
# A Spack spec or a Python requirement, without what a shell or a template would take for its own.
_PACKAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 @._+~=^%:,/*!<>\[\]-]{0,199}", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?)?", re.ASCII
)
_FILE = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}/){0,5}[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}", re.ASCII)
# What a template or a shell would evaluate has no business in a description.
_ACTIVE = re.compile(r"\{\{|\{%|\{#|`|\$\(|\$\{")


class RegistryError(PetalError):
    """A registry's answer cannot be used, or there is none."""


class Entry(NamedTuple):
    """One line of the index. description, packages: None where the index does not tell."""

    name: str
    fingerprint: str
    description: str | None = None
    packages: tuple[str, ...] | None = None

    @property
    def path(self) -> str:
        """Its document in the registry."""
        return stack_path(self.name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "description": self.description or "",
            "packages": list(self.packages or ()),
        }


class Refused(NamedTuple):
    """What was passed over in a registry: where, and why in one clause."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True)
class Index:
    """The stacks of a registry, in its order. refused: the entries that cannot be used; at most REFUSALS_LIMIT."""

    entries: tuple[Entry, ...]
    refused: tuple[Refused, ...] = ()
    registry: str | None = None


@dataclass(frozen=True)
class Variant:
    """One snapshot of a stack. os, architecture, size_gb: None where the registry does not tell.

    fingerprint: its own; that of the stack where it names none.
    """

    region: str
    snapshot_id: str
    fingerprint: str
    os: str | None = None
    architecture: str | None = None
    size_gb: int | None = None
    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class Stack:
    """What a registry says of one stack: nothing of it is true because it stands here."""

    name: str
    fingerprint: str
    variants: tuple[Variant, ...]
    description: str = ""
    seed_url: str | None = None
    packages: tuple[str, ...] = ()
    aws_account: str | None = None
    public: bool | None = None
    verified: bool = False
    created: str | None = None
    updated: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, keys as in the document."""
        told = {key: value for key, value in self.__dict__.items() if key != "variants"}
        return {**told, "packages": list(self.packages), "snapshots": [item.to_dict() for item in self.variants]}


def stack_path(name: str) -> str:
    """The document of a stack, from the registry's root. Raises RegistryError for what is no name."""
    return f"{DIRECTORY}/{checked_name(name)}.json"


def seed_path(name: str) -> str:
    """The seed of a stack, from the registry's root. Raises RegistryError for what is no name."""
    return f"{SEEDS}/{checked_name(name)}.yaml"


def shown(value: Any) -> str:
    """A stranger's value as it may stand in a message: one short line of printable ASCII."""
    text = value[:200] if isinstance(value, str) else json.dumps(value, default=str)[:200]
    text = ascii(text)[1:-1]
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"


def checked_name(value: Any) -> str:
    """Give a stack's name back. Raises RegistryError when it is none."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise RegistryError(
            f"the name {shown(value)} is none: expected a letter and at most 59 letters, digits or hyphens"
        )
    return value


def checked_region(value: Any) -> str:
    """Give a Region back. Raises RegistryError when it is none."""
    if not isinstance(value, str) or not _REGION.fullmatch(value):
        raise RegistryError(f"the region {shown(value)} is none: expected one such as us-east-1")
    return value


def checked_url(url: str) -> str:
    """A registry's address, ending with one slash. Raises RegistryError for what is none."""
    problem = grammar.registry_url(url) if len(url) <= 500 else "it is longer than 500 characters"
    if problem is None and {".", ".."} & set(url.lower().replace("%2e", ".").split("/")):
        problem = "'.' and '..' are no parts of it"
    if problem:
        raise RegistryError(f"the registry's address {shown(url)} cannot be used: {problem}")
    return url.rstrip("/") + "/"


# Reading


def parse_json(content: bytes) -> Any:
    """A document as plain data. Raises RegistryError unless it is JSON with every key once and numbers of a sane size.

    How long it may be decides who fetches it; here it is bounded what it grows to.
    """
    if sum(content.count(mark) for mark in (b",", b"[", b"{", b":")) > VALUE_LIMIT:
        raise RegistryError(f"it holds more than {VALUE_LIMIT} values")
    try:
        return json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_once, parse_int=_integer, parse_constant=_constant
        )
    except UnicodeDecodeError as error:
        raise RegistryError("it is not UTF-8 text") from error
    except RecursionError as error:
        raise RegistryError("it is nested too deeply") from error
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise RegistryError(f"it is no JSON{where}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Different readers would take different ones.
        raise RegistryError("a key stands twice in one mapping")
    return found


def _integer(text: str) -> int:
    if len(text) > 18:
        raise RegistryError("it holds a huge number")
    return int(text)


def _constant(text: str) -> NoReturn:
    raise RegistryError(f"it holds {text}, which is no JSON")


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RegistryError(f"{what} is no mapping")
    return value


def _optional(value: Mapping[str, Any], key: str, check: Callable[[Any, str], Any], default: Any = None) -> Any:
    found = value.get(key)
    return default if found is None else check(found, key)


def _text(pattern: re.Pattern[str]) -> Callable[[Any, str], str]:
    def check(value: Any, key: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise RegistryError(f"{key} {shown(value)} is not of the expected form")
        return value

    return check


def _fingerprint(value: Any, key: str) -> str:
    if not isinstance(value, str) or not FINGERPRINT.fullmatch(value):
        raise RegistryError(f"{key} {shown(value)} is none: expected sha256: and 64 hex digits")
    return value


def _flag(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise RegistryError(f"{key} {shown(value)} is neither true nor false")
    return value


def _size(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= SIZE_LIMIT_GB:
        raise RegistryError(f"{key} {shown(value)} is no whole number of GiB from 1 to {SIZE_LIMIT_GB}")
    return value


def checked_description(value: Any, key: str = "description") -> str:
    """One line for people. Raises RegistryError for what a terminal, a template or a shell would act on."""
    if not isinstance(value, str) or len(value) > DESCRIPTION_LIMIT:
        raise RegistryError(f"{key} {shown(value)} is no text of at most {DESCRIPTION_LIMIT} characters")
    if not value.isprintable():
        raise RegistryError(f"{key} {shown(value)} holds characters that cannot be printed")
    if _ACTIVE.search(value):
        raise RegistryError(f"{key} {shown(value)} holds template or shell text")
    return value


def checked_packages(value: Any, key: str = "packages") -> tuple[str, ...]:
    """Specs and requirements. Raises RegistryError for what is no list of them."""
    if not isinstance(value, list) or len(value) > PACKAGES_LIMIT:
        raise RegistryError(f"{key} is no list of at most {PACKAGES_LIMIT} texts")
    for item in value:
        if not isinstance(item, str) or not _PACKAGE.fullmatch(item):
            raise RegistryError(f"{key} holds {shown(item)}, which is no package")
    return tuple(value)


def _os(value: Any, key: str) -> str:
    return canonical_os(_text(_OS)(value, key))


def _architecture(value: Any, key: str) -> str:
    found = canonical_architecture(_text(_OS)(value, key))
    if found not in ARCHITECTURES:
        raise RegistryError(f"{key} {shown(value)} is none of {', '.join(ARCHITECTURES)}")
    return found


def _seed_url(value: Any, key: str) -> str:
    relative = isinstance(value, str) and _FILE.fullmatch(value)
    secure = isinstance(value, str) and value.startswith("https://") and len(value) <= 500
    if not relative and not (secure and grammar.registry_url(value) is None):
        raise RegistryError(f"{key} {shown(value)} is neither an https:// address nor a file of the registry")
    return str(value)


def parse_index(content: bytes, base: str) -> Index:
    """Read an index.

    :param base: where it was read from, as checked_url() gives it.
    :return: the entries that can be used, and those that cannot. Raises RegistryError when it is no index at all.
    """
    value = _mapping(parse_json(content), "it")
    version = value.get("version")
    if not isinstance(version, str) or version.partition(".")[0] != VERSION.partition(".")[0]:
        raise RegistryError(f"its version is {shown(version)}, this release reads {VERSION}")
    items = value.get("snapshots")
    if not isinstance(items, list):
        raise RegistryError("snapshots is no list")
    if len(items) > STACKS_LIMIT:
        raise RegistryError(f"it has {len(items)} stacks, at most {STACKS_LIMIT} are read")
    registry = value.get("registry")
    home = None if registry is None else checked_url(registry if isinstance(registry, str) else str(registry)[:100])
    roots = {"", base} | ({home} if home else set())
    entries: list[Entry] = []
    refused: list[Refused] = []
    seen: set[tuple[str, str]] = set()
    for position, item in enumerate(items):
        try:
            entry = _entry(item, roots)
            if (entry.name, entry.fingerprint) in seen:
                raise RegistryError(f"the stack {entry.name} stands there twice with one fingerprint")
        except RegistryError as error:
            if len(refused) < REFUSALS_LIMIT:
                refused.append(Refused(f"snapshots[{position}]", str(error)))
            continue
        seen.add((entry.name, entry.fingerprint))
        entries.append(entry)
    return Index(tuple(entries), tuple(refused), home)


def _entry(value: Any, roots: Iterable[str]) -> Entry:
    item = _mapping(value, "the entry")
    entry = Entry(
        checked_name(item.get("name")),
        _fingerprint(item.get("fingerprint"), "fingerprint"),
        _optional(item, "description", checked_description),
        _optional(item, "packages", checked_packages),
    )
    # Where it is follows from its name. What stands there has to agree, and leads nowhere else.
    address = item.get("metadata_url")
    if address is not None and address not in [root + entry.path for root in roots]:
        raise RegistryError(
            f"metadata_url {shown(address)} is not {entry.path} of this registry: nothing outside of it is read"
        )
    return entry


def parse_stack(content: bytes, entry: Entry) -> Stack:
    """Read the document of a stack, in the long form or as ``{"us-east-1": "snap-…"}``.

    :param entry: what the index says of it, which it must agree with. Raises RegistryError.
    """
    value = _mapping(parse_json(content), "it")
    if value and all(_REGION.fullmatch(key) for key in value):
        return Stack(
            entry.name, entry.fingerprint, _short(value, entry.fingerprint), description=entry.description or ""
        )
    name = checked_name(value.get("name"))
    if name != entry.name:
        raise RegistryError(f"it is of {shown(name)}, not of {entry.name}")
    fingerprint = _optional(value, "fingerprint", _fingerprint, entry.fingerprint)
    stack = Stack(
        name=name,
        fingerprint=fingerprint,
        variants=_variants(value.get("snapshots"), fingerprint),
        description=_optional(value, "description", checked_description, ""),
        seed_url=_optional(value, "seed_url", _seed_url),
        packages=_optional(value, "packages", checked_packages, ()),
        aws_account=_optional(value, "aws_account", _text(_ACCOUNT)),
        public=_optional(value, "public", _flag),
        verified=_optional(value, "verified", _flag, False),
        created=_optional(value, "created", _text(_TIME)),
        updated=_optional(value, "updated", _text(_TIME)),
    )
    if entry.fingerprint not in {fingerprint, *(variant.fingerprint for variant in stack.variants)}:
        raise RegistryError(f"it has another fingerprint ({fingerprint}) than the index says ({entry.fingerprint})")
    return stack


def _short(value: Mapping[str, Any], fingerprint: str) -> tuple[Variant, ...]:
    if len(value) > VARIANTS_LIMIT:
        raise RegistryError(f"it has {len(value)} snapshots, at most {VARIANTS_LIMIT} are read")
    return tuple(
        Variant(checked_region(region), _text(SNAPSHOT_ID)(value[region], "snapshot_id"), fingerprint)
        for region in sorted(value)
    )


def _variants(value: Any, fingerprint: str) -> tuple[Variant, ...]:
    if isinstance(value, dict):
        return _short(value, fingerprint)
    if not isinstance(value, list) or len(value) > VARIANTS_LIMIT:
        raise RegistryError(f"snapshots is no list of at most {VARIANTS_LIMIT} mappings")
    variants: dict[str, Variant] = {}
    for position, item in enumerate(value):
        try:
            variant = _variant(_mapping(item, "it"), fingerprint)
            if variant.snapshot_id in variants:
                raise RegistryError(f"{variant.snapshot_id} stands there twice")
        except RegistryError as error:
            raise RegistryError(f"snapshots[{position}]: {error}") from error
        variants[variant.snapshot_id] = variant
    return tuple(variants.values())


def _variant(item: Mapping[str, Any], fingerprint: str) -> Variant:
    return Variant(
        region=checked_region(item.get("region")),
        snapshot_id=_text(SNAPSHOT_ID)(item.get("snapshot_id"), "snapshot_id"),
        fingerprint=_optional(item, "fingerprint", _fingerprint, fingerprint),
        os=_optional(item, "os", _os),
        architecture=_optional(item, "architecture", _architecture),
        size_gb=_optional(item, "size_gb", _size),
        description=_optional(item, "description", checked_description, ""),
    )


# Writing


def dump(value: Mapping[str, Any]) -> bytes:
    """A document in its one form: indented by two, ASCII, a line end at the end; keys in the order they come in."""
    return (json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def dump_index(index: Index, registry: str) -> bytes:
    """An index, its entries sorted by name and fingerprint, so that two contributions touch different lines."""
    items: list[dict[str, Any]] = []
    for entry in sorted(index.entries, key=lambda item: (item.name, item.fingerprint)):
        item: dict[str, Any] = {"name": entry.name, "fingerprint": entry.fingerprint, "metadata_url": entry.path}
        if entry.description:
            item["description"] = entry.description
        if entry.packages:
            item["packages"] = list(entry.packages)
        items.append(item)
    return dump({"version": VERSION, "registry": registry, "snapshots": items})


def dump_stack(stack: Stack) -> bytes:
    """The document of a stack, its snapshots sorted by Region, system, architecture and id."""
    variants = sorted(
        stack.variants, key=lambda item: (item.region, item.os or "", item.architecture or "", item.snapshot_id)
    )
    snapshots = []
    for variant in variants:
        item = {key: value for key, value in variant.to_dict().items() if value not in (None, "")}
        if variant.fingerprint == stack.fingerprint:
            del item["fingerprint"]
        snapshots.append(item)
    keys = (
        *("name", "description", "fingerprint", "seed_url", "packages"),
        *("aws_account", "public", "verified", "created", "updated"),
    )
    told = stack.to_dict()
    return dump({**{key: told[key] for key in keys if told[key] is not None}, "snapshots": snapshots})
