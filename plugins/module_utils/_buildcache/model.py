# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build cache of Spack's holds: where things are in it, and how they are written there.

Its layout is that of Spack 1.0 and later: ``v3/manifests/spec/NAME/NAME-VERSION-HASH.spec.manifest.json`` names two
blobs by digest, the archive and the spec; ``v3/manifests/key`` and ``v3/manifests/index`` do the same for keys and the
index.
Source: ``lib/spack/spack/url_buildcache.py`` of Spack 1.2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Item

#: What Spack puts at the top of a cache.
LAYOUT_FILE = "v3/layout.json"
LAYOUT_TEXT = '{"signing": "gpg"}'
INDEX = "v3/manifests/index/index.manifest.json"
#: Where this collection notes which packages a seed needs. Spack looks at neither.
SEEDS = "petal/seeds/"
#: How the note ends that is of a seed's compiler alone, where that is installed before the rest.
COMPILER = "-compiler"

_ARCHIVE = "application/vnd.spack.install.v2.tar+gzip"
_SPEC_PREFIX = "application/vnd.spack.spec."
_HASH = re.compile(r"[a-z2-7]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MANIFEST = re.compile(r"v3/manifests/spec/[^/]+/[^/]+-([a-z2-7]{32})\.spec\.manifest\.json")
_KEY = re.compile(r"v3/manifests/key/([0-9A-F]{40})\.key\.manifest\.json")
#: What reading JSON of another form than was expected raises.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
_SEED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_CLEARSIGNED = "-----BEGIN PGP SIGNED MESSAGE-----\n"
_SIGNATURE = "\n-----BEGIN PGP SIGNATURE-----\n"


class BuildcacheError(PetalError):
    """Something about a build cache cannot be done."""


class RegionError(BuildcacheError):
    """A bucket is in another Region than a run says."""


class DisguisedError(BuildcacheError):
    """What a cache offers is signed and whole, and yet not what it is said to be: Spack would install it."""


@dataclass(frozen=True)
class Cache:
    """One build cache. ``name`` is its mirror's name in Spack, ``url`` is ``file://``, ``s3://`` or ``https://``.

    endpoint_url: of an S3 store that is not Amazon's; region: of its bucket; both empty where they do not matter.
    """

    name: str
    url: str
    endpoint_url: str = ""
    region: str = ""

    @property
    def scheme(self) -> str:
        """``file``, ``s3`` or ``http``."""
        return {"https": "http"}.get(self.url.split("://", 1)[0], self.url.split("://", 1)[0])


@dataclass(frozen=True)
class Package:
    """A package of a lock: ``dependencies`` are (hash, whether it is needed at link or run time).

    os: the operating system that it is built on, as Spack calls it; empty where that is not said.
    """

    name: str
    version: str
    hash: str
    external: bool = False
    dependencies: tuple[tuple[str, bool], ...] = ()
    os: str = ""

    @property
    def label(self) -> str:
        """``zlib@1.3.1/abcdefg``."""
        return f"{self.name}@{self.version}/{self.hash[:7]}"


@dataclass(frozen=True)
class Lock:
    """What Spack decided to install: packages by hash, and the hashes of those that were asked for."""

    packages: Mapping[str, Package]
    roots: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[Package]:
        """What a cache can hold, by name: everything but externals."""
        return sorted((p for p in self.packages.values() if not p.external), key=lambda p: (p.name, p.hash))


@dataclass(frozen=True)
class Record:
    """What a cache says about one package: where its archive and its spec are, their digests, the archive's size."""

    archive: str
    sha256: str
    size: int
    spec: str
    spec_sha256: str


@dataclass(frozen=True)
class Contents:
    """A listing, sorted: manifests by hash, keys by fingerprint, seeds by name, and all items by path."""

    items: Mapping[str, Item] = field(default_factory=dict)
    manifests: Mapping[str, Item] = field(default_factory=dict)
    keys: Mapping[str, Item] = field(default_factory=dict)
    seeds: Mapping[str, Item] = field(default_factory=dict)


def parse_cache(name: str, url: str, endpoint_url: str = "", region: str = "") -> Cache:
    """A cache from what a user writes: a directory, or a URL.

    Raises BuildcacheError for what is neither, or has credentials in it.
    """
    text = url.rstrip("/")
    if text.startswith("/"):
        text = f"file://{text}"
    found = re.fullmatch(r"(file|s3|https?)://([^\s?#]*)", text)
    if not found or not found.group(2) or (found.group(1) == "file") != found.group(2).startswith("/"):
        raise BuildcacheError(
            f"build cache {name}: {url!r} is no place for one; expected an absolute directory, s3://BUCKET/PREFIX, or https://…"
        )
    if "@" in found.group(2).split("/", 1)[0]:
        raise BuildcacheError(
            f"build cache {name}: its URL holds a user name or password; give credentials through the environment of "
            "the build host or its instance profile"
        )
    if ".." in text.split("/"):
        raise BuildcacheError(f"build cache {name}: {url!r} has '..' in it; expected a plain path")
    if found.group(1) == "s3":
        # Of two slashes Spack and boto3 do not make the same.
        text = "s3://" + "/".join(filter(None, found.group(2).split("/")))
    return Cache(name, text, endpoint_url.rstrip("/"), region)


def parse_lock(text: str, where: str) -> Lock:
    """Read a ``spack.lock`` (lock file versions 5 and later).

    Raises BuildcacheError where it is none; ``where`` is named in the message.
    """
    try:
        document = json.loads(text)
        specs: dict[str, Any] = document["concrete_specs"]
        packages = {key: _package(key, spec) for key, spec in specs.items()}
        roots = tuple(root["hash"] for root in document.get("roots", []))
    except _UNREADABLE as error:
        raise BuildcacheError(f"{where} is no spack.lock: {type(error).__name__}: {error}") from error
    return Lock(packages, roots)


def _package(key: str, spec: Mapping[str, Any]) -> Package:
    if not _HASH.fullmatch(key):
        raise ValueError(f"{key!r} is no hash of a package")
    needed = tuple(_dependencies(spec))
    system = str((spec.get("arch") or {}).get("platform_os") or "")
    return Package(str(spec["name"]), str(spec["version"]), key, bool(spec.get("external")), needed, system)


def _dependencies(spec: Mapping[str, Any]) -> Iterable[tuple[str, bool]]:
    for entry in spec.get("dependencies", []):
        kinds = entry.get("parameters", {}).get("deptypes", entry.get("type", ()))
        yield str(entry["hash"]), bool({"link", "run"} & set(kinds))


def parse_index(text: str) -> dict[str, Package]:
    """The packages that a cache's index lists, by hash: those whose archive is there.

    Raises BuildcacheError where it is no index.
    """
    try:
        installs = json.loads(text)["database"]["installs"]
        return {
            key: _package(key, entry["spec"])
            for key, entry in installs.items()
            if entry.get("in_buildcache") and not entry["spec"].get("external")
        }
    except _UNREADABLE as error:
        raise BuildcacheError(f"the index of the cache cannot be read: {type(error).__name__}: {error}") from error


def sort_listing(items: Iterable[Item]) -> Contents:
    """Sort what a cache holds."""
    everything = {item.path: item for item in items}
    manifests: dict[str, Item] = {}
    keys: dict[str, Item] = {}
    seeds: dict[str, Item] = {}
    for path, item in everything.items():
        if (found := _MANIFEST.fullmatch(path)) is not None:
            manifests[found.group(1)] = item
        elif (found := _KEY.fullmatch(path)) is not None:
            keys[found.group(1)] = item
        elif path.startswith(SEEDS) and path.endswith(".json"):
            seeds[path[len(SEEDS) : -len(".json")]] = item
    return Contents(everything, manifests, keys, seeds)


def manifest_path(package: Package) -> str:
    """Where a package's manifest is, for caches that cannot be listed."""
    version = re.sub(r"[^\w.=@+-]", "_", package.version)
    return f"v3/manifests/spec/{package.name}/{package.name}-{version}-{package.hash}.spec.manifest.json"


def key_path(fingerprint: str) -> str:
    """Where the manifest of a published key is."""
    return f"v3/manifests/key/{fingerprint}.key.manifest.json"


def blob_path(digest: str) -> str:
    """Where what bears a SHA-256 digest is."""
    return f"blobs/sha256/{digest[:2]}/{digest}"


def single_blob(text: str) -> str:
    """The path of the one blob that a manifest of a key or an index names.

    Raises BuildcacheError where it names none.
    """
    try:
        digest = str(json.loads(text)["data"][0]["checksum"])
    except _UNREADABLE as error:
        raise BuildcacheError("a manifest of the cache cannot be read") from error
    if not _SHA256.fullmatch(digest):
        raise BuildcacheError(f"a manifest of the cache names {digest!r}, which is no SHA-256 digest")
    return blob_path(digest)


def payload(text: str) -> tuple[str, bool]:
    """What a manifest says, and whether it is signed at all: exactly one clear-signed message and nothing else.

    The signature is not checked here. Raises DisguisedError for anything else, such as text beside the message: a
    reader might take that for signed.
    """
    if "-----BEGIN PGP" not in text:
        return text, False
    text = text.replace("\r\n", "\n")
    body, found, tail = text.partition(_SIGNATURE)
    ended = tail.rstrip("\n").endswith("\n-----END PGP SIGNATURE-----") or not tail
    head, blank, message = body.partition("\n\n")
    if (
        not found
        or not blank
        or not ended
        or not head.startswith(_CLEARSIGNED)
        or text.count("-----BEGIN PGP") != 2
        or text.count("-----END PGP") != 1
        or not re.fullmatch(r"(?:Hash: [\w,-]+\n?)*", head[len(_CLEARSIGNED) :])
    ):
        raise DisguisedError("its signature is malformed")
    return re.sub(r"(?m)^- ", "", message), True


def parse_record(text: str) -> Record:
    """Read the payload of a package's manifest. Raises BuildcacheError where it is broken."""
    try:
        document = json.loads(text)
        if document["version"] != 3:
            raise ValueError(document["version"])
        found: dict[str, tuple[str, int]] = {}
        for entry in document["data"]:
            kind = "spec" if str(entry["mediaType"]).startswith(_SPEC_PREFIX) else str(entry["mediaType"])
            digest = str(entry["checksum"])
            if entry["checksumAlgorithm"] != "sha256" or not _SHA256.fullmatch(digest):
                raise ValueError(digest)
            found[kind] = (digest, int(entry["contentLength"]))
        digest, size = found[_ARCHIVE]
        spec = found["spec"][0]
    except _UNREADABLE as error:
        raise BuildcacheError("its manifest cannot be read") from error
    return Record(blob_path(digest), digest, size, blob_path(spec), spec)


def check_identity(text: str, package: Package) -> None:
    """Whether a spec in a cache (its JSON) is the package that its name promises.

    Spack does not ask: a manifest that was signed for one package and copied to another's place would be installed.
    Raises DisguisedError where it is another one, BuildcacheError where it cannot be read.
    """
    try:
        nodes = json.loads(text)["spec"]["nodes"]
        root = nodes[0]
        said = (str(root["name"]), str(root["hash"]))
    except _UNREADABLE as error:
        raise BuildcacheError("its spec cannot be read") from error
    if said != (package.name, package.hash):
        raise DisguisedError(f"it is {said[0]}/{said[1][:7]} under another package's name")


def parse_spec(text: str, key: str) -> Package:
    """A package from its spec in a cache (its JSON), as the index has it. Raises BuildcacheError."""
    try:
        return _package(key, json.loads(text)["spec"]["nodes"][0])
    except _UNREADABLE as error:
        raise BuildcacheError("its spec cannot be read") from error


def seed_path(name: str) -> str:
    """Where a cache notes what a seed needs.

    Raises BuildcacheError for a name that would leave the directory.
    """
    if not _SEED.fullmatch(name):
        raise BuildcacheError(f"{name!r} is no name of a seed; expected letters, digits, dots, hyphens, underscores")
    return f"{SEEDS}{name}.json"


def seed_text(name: str, fingerprint: str, lock: Lock) -> str:
    """What a cache notes of a seed: its name, its fingerprint and every hash of its lock."""
    hashes = sorted(package.hash for package in lock.wanted)
    note = {"schema": 1, "name": name, "fingerprint": fingerprint, "hashes": hashes}
    return json.dumps(note, indent=1, sort_keys=True) + "\n"


def parse_seed(text: str, where: str) -> frozenset[str]:
    """The hashes that a seed needs, from a cache's note. Raises BuildcacheError where it cannot be read."""
    try:
        hashes = frozenset(json.loads(text)["hashes"])
    except _UNREADABLE as error:
        raise BuildcacheError(f"{where} cannot be read, and so not what its seed needs: repair or remove it") from error
    if not all(isinstance(key, str) and _HASH.fullmatch(key) for key in hashes):
        raise BuildcacheError(f"{where} holds what is no hash of a package: repair or remove it")
    return hashes


def iso(moment: float) -> str:
    """A moment, in seconds since 1970, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
