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
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, NoReturn

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import FINGERPRINT
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import ACCOUNT, SNAPSHOT_ID
from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import redacted
from ansible_collections.petal.hpc.plugins.module_utils._seed.platforms import (
    ARCHITECTURES,
    canonical_architecture,
    canonical_os,
)
from ansible_collections.petal.hpc.plugins.module_utils._trust import ebs, sshsig
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import TrustError

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
TAGS_LIMIT = 20
DESCRIPTION_LIMIT = 500
# Every refusal that is told of; a hostile index has one for each of its entries.
REFUSALS_LIMIT = 20
SIZE_LIMIT_GB = 64 * 1024

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}", re.ASCII)
_SIGNATURES = re.compile(r"[A-Za-z0-9+/=.]{16,4096}")
_OS = re.compile(r"[a-z][a-z0-9._-]{0,31}", re.ASCII)
# A Spack spec or a Python requirement, without what a shell or a template would take for its own.
_PACKAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 @._+~=^%:,/*!<>\[\]-]{0,199}", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?)?", re.ASCII
)
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}", re.ASCII)
# What stands between a repository's address and its files: a branch, and what its host puts before that.
_BRANCH = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,99}/){1,3}", re.ASCII)
# The address of any file of a repository on GitHub, and of its page.
_ON_GITHUB = re.compile(
    rf"https://(?:(?:www\.)?github\.com|{re.escape(grammar.RAW_HOST)})/(?P<repository>[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)/",
    re.ASCII,
)
_FILE = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}/){0,5}[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}", re.ASCII)
# What a template or a shell would evaluate has no business in a description.
_ACTIVE = re.compile(r"\{\{|\{%|\{#|`|\$\(|\$\{")


class RegistryError(PetalError):
    """A registry's answer cannot be used, or there is none."""


class Entry(NamedTuple):
    """One line of the index. description, packages, tags: None where the index does not tell."""

    name: str
    fingerprint: str
    description: str | None = None
    packages: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None

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
            "tags": list(self.tags or ()),
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

    fingerprint: its own; that of the stack where it names none. documents, signature: the digest of what is
    on the volume and who vouches for the snapshot, as its tags have it; empty where nobody does.
    """

    region: str
    snapshot_id: str
    fingerprint: str
    os: str | None = None
    architecture: str | None = None
    size_gb: int | None = None
    description: str = ""
    documents: str = ""
    signature: str = ""

    @property
    def signers(self) -> tuple[str, ...]:
        """Fingerprints of the keys that the signatures name; a look-up verifies them."""
        return tuple(sshsig.signer(one) for one in ebs.from_text(self.signature))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without signature where there is none."""
        unsigned = () if self.signature else ("documents", "signature")
        return {key: value for key, value in self.__dict__.items() if key not in unsigned}


@dataclass(frozen=True)
class Stack:
    """What a registry says of one stack: nothing of it is true because it stands here.

    refused: its snapshots that cannot be used; at most REFUSALS_LIMIT.
    """

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
    tags: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, keys as in the document."""
        told = {key: value for key, value in self.__dict__.items() if key not in ("variants", "refused")}
        lists = {"packages": list(self.packages), "tags": list(self.tags)}
        return {**told, **lists, "snapshots": [item.to_dict() for item in self.variants]}


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
    """A registry's address, ending with one slash; in short for GitHub too. Raises RegistryError for what is none."""
    url = grammar.registry_address(url)
    problem = grammar.registry_url(url) if len(url) <= 500 else "it is longer than 500 characters"
    if problem is None and {".", ".."} & set(url.lower().replace("%2e", ".").split("/")):
        problem = "'.' and '..' are no parts of it"
    if problem:
        raise RegistryError(f"the registry's address {shown(redacted(url))} cannot be used: {problem}")
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


def checked_tags(value: Any, key: str = "tags") -> tuple[str, ...]:
    """Words by which a stack is found. Raises RegistryError for what is no list of them."""
    if not isinstance(value, list) or len(value) > TAGS_LIMIT:
        raise RegistryError(f"{key} is no list of at most {TAGS_LIMIT} words")
    for item in value:
        if not isinstance(item, str) or not _TAG.fullmatch(item):
            raise RegistryError(f"{key} holds {shown(item)}, which is no word of letters, digits and . _ + -")
    return tuple(dict.fromkeys(value))


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
    roots = [root for root in (base, home) if root]
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
        _optional(item, "tags", checked_tags),
    )
    # Where it is follows from its name. What stands there has to agree, and leads nowhere else.
    address = item.get("metadata_url")
    if address not in (None, entry.path) and not _is_of(address, entry.path, roots):
        raise RegistryError(
            f"metadata_url {shown(address)} is not {entry.path} of this registry: nothing outside of it is read"
        )
    return entry


def _is_of(address: Any, path: str, roots: Iterable[str]) -> bool:
    """Whether an address is that of a document of one of these registries.

    A registry is often named by its repository, and its files by a branch of it: they are the same here and in a clone.
    """
    if not isinstance(address, str) or len(address) > 500 or not address.endswith(f"/{path}"):
        return False
    place = address[: -len(path)]
    repository = _ON_GITHUB.match(place)
    for root in roots:
        if place == root:
            return True
        same = _ON_GITHUB.match(root)
        if repository and same and repository["repository"].lower() == same["repository"].lower():
            return ".." not in place
        if root.startswith("https://") and place.startswith(root) and _BRANCH.fullmatch(place[len(root) :]):
            return True
    return False


def parse_stack(content: bytes, entry: Entry) -> Stack:
    """Read the document of a stack, in the long form or as ``{"us-east-1": "snap-…"}``.

    :param entry: what the index says of it, which it must agree with. Raises RegistryError.
    """
    value = _mapping(parse_json(content), "it")
    if value and all(_REGION.fullmatch(key) for key in value):
        short, wrong = _variants(value, entry.fingerprint, None)
        return Stack(entry.name, entry.fingerprint, short, description=entry.description or "", refused=wrong)
    name = checked_name(value.get("name"))
    if name != entry.name:
        raise RegistryError(f"it is of {shown(name)}, not of {entry.name}")
    fingerprint = _optional(value, "fingerprint", _fingerprint, entry.fingerprint)
    variants, refused = _variants(value.get("snapshots"), fingerprint, _optional(value, "size_gb", _size))
    stack = Stack(
        name=name,
        fingerprint=fingerprint,
        variants=variants,
        description=_optional(value, "description", checked_description, ""),
        seed_url=_optional(value, "seed_url", _seed_url),
        packages=_optional(value, "packages", checked_packages, ()),
        aws_account=_optional(value, "aws_account", _text(ACCOUNT)),
        public=_optional(value, "public", _flag),
        verified=_optional(value, "verified", _flag, False),
        created=_optional(value, "created", _text(_TIME)),
        updated=_optional(value, "updated", _text(_TIME)),
        tags=_optional(value, "tags", checked_tags, ()),
        refused=refused,
    )
    if entry.fingerprint not in {fingerprint, *(variant.fingerprint for variant in stack.variants)}:
        raise RegistryError(f"it has another fingerprint ({fingerprint}) than the index says ({entry.fingerprint})")
    return stack


def _variants(value: Any, fingerprint: str, size_gb: int | None) -> tuple[tuple[Variant, ...], tuple[Refused, ...]]:
    """The snapshots of a stack that can be used, and those that cannot: one wrong id leaves the other Regions.

    :param value: a list of mappings, or ``{"us-east-1": "snap-…"}``.
    :param size_gb: of those that do not tell. Raises RegistryError for what is neither.
    """
    if isinstance(value, dict):
        listed = [
            (region, {"region": region, "snapshot_id": snapshot_id}) for region, snapshot_id in sorted(value.items())
        ]
    elif isinstance(value, list):
        listed = list(enumerate(value))
    else:
        raise RegistryError("snapshots is neither a list of mappings nor a mapping of Regions")
    if len(listed) > VARIANTS_LIMIT:
        raise RegistryError(f"it has {len(listed)} snapshots, at most {VARIANTS_LIMIT} are read")
    variants: dict[str, Variant] = {}
    refused: list[Refused] = []
    for place, item in listed:
        try:
            variant = _variant(_mapping(item, "it"), fingerprint, size_gb)
            if variant.snapshot_id in variants:
                raise RegistryError(f"{variant.snapshot_id} stands there twice")
        except RegistryError as error:
            if len(refused) < REFUSALS_LIMIT:
                where = place if isinstance(place, int) else place if _REGION.fullmatch(place) else shown(place)
                refused.append(Refused(f"snapshots[{where}]", str(error)))
            continue
        variants[variant.snapshot_id] = variant
    return tuple(variants.values()), tuple(refused)


def _variant(item: Mapping[str, Any], fingerprint: str, size_gb: int | None) -> Variant:
    return Variant(
        region=checked_region(item.get("region")),
        snapshot_id=_text(SNAPSHOT_ID)(item.get("snapshot_id"), "snapshot_id"),
        fingerprint=_optional(item, "fingerprint", _fingerprint, fingerprint),
        os=_optional(item, "os", _os),
        architecture=_optional(item, "architecture", _architecture),
        size_gb=_optional(item, "size_gb", _size, size_gb),
        description=_optional(item, "description", checked_description, ""),
        documents=_optional(item, "documents", _text(ebs.DIGEST), ""),
        signature=_optional(item, "signature", _signature, ""),
    )


def _signature(value: Any, what: str) -> str:
    text = _text(_SIGNATURES)(value, what)
    try:
        for one in ebs.from_text(text):
            sshsig.signer(one)
    except TrustError as error:
        raise RegistryError(f"{what}: {error}") from error
    return text


def unknown_keys(content: bytes) -> list[str]:
    """The keys of a stack's document, read before, that mean nothing here, each with its place."""
    value = parse_json(content)
    if not isinstance(value, dict) or all(_REGION.fullmatch(key) for key in value):
        return []
    items = value.get("snapshots")
    found = [shown(key) for key in value if key not in STACK_KEYS]
    for position, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict):
            found += [f"{shown(key)} of snapshots[{position}]" for key in item if key not in VARIANT_KEYS]
    return found


STACK_KEYS = frozenset({"snapshots", "size_gb", *(key.name for key in fields(Stack))} - {"variants", "refused"})
VARIANT_KEYS = frozenset(key.name for key in fields(Variant))


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
        if entry.tags:
            item["tags"] = list(entry.tags)
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
        *("name", "description", "fingerprint", "seed_url", "packages", "tags"),
        *("aws_account", "public", "verified", "created", "updated"),
    )
    told = {**stack.to_dict(), "tags": list(stack.tags) or None}
    return dump({**{key: told[key] for key in keys if told[key] is not None}, "snapshots": snapshots})
