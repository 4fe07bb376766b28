# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at build caches: what they hold, and have for a lock."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import decide, history, keys, listing, model
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api import log
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.keyring import Keyring
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.stores import Store, Web, cache_from, open_store
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.decide import Offer, Survey
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import (
    BuildcacheError,
    Cache,
    Contents,
    DisguisedError,
    Lock,
    Package,
    Record,
    RegionError,
)

_UNPACKED = 64 << 20
#: What an index may have, in bytes.
INDEX_LIMIT = 1 << 29


class Inspector:
    """Looks at caches as Spack will, and a bit closer. ``trusted``: fingerprints whose signatures count."""

    def __init__(self, keyring: Keyring, trusted: Iterable[str]) -> None:
        self._keyring = keyring
        self._trusted = tuple(trusted)

    def contents(self, store: Store) -> Contents | None:
        """What a cache holds; None where it cannot be listed."""
        items = store.listing()
        return None if items is None else model.sort_listing(items)

    def offers(
        self, store: Store, contents: Contents | None, packages: Sequence[Package], archives: bool
    ) -> dict[str, Offer]:
        """What a cache has of these packages, by hash, and whether it is as it should be.

        archives: read every archive and compare its digest too; without that its size has to do.
        """
        name = store.cache.name
        paths = {
            package.hash: contents.manifests[package.hash].path if contents else model.manifest_path(package)
            for package in packages
            if contents is None or package.hash in contents.manifests
        }
        texts = store.read(list(paths.values()))
        held = [package for package in packages if paths.get(package.hash) in texts]
        payloads = {package.hash: _payload(texts[paths[package.hash]]) for package in held}
        signed = [package for package in held if isinstance(payloads[package.hash], str)]
        verdicts = self._keyring.verify({p.hash: texts[paths[p.hash]] for p in signed}, self._trusted)
        found: dict[str, Record | BuildcacheError] = {}
        for package in held:
            said, reason = payloads[package.hash], verdicts.get(package.hash)
            if isinstance(said, BuildcacheError):
                found[package.hash] = said
            elif reason:
                found[package.hash] = BuildcacheError(reason)
            else:
                found[package.hash] = _record(said)
        records = {key: record for key, record in found.items() if isinstance(record, Record)}
        offers = {key: _refusal(name, error) for key, error in found.items() if isinstance(error, BuildcacheError)}
        offers.update(self._blobs(store, contents, [p for p in held if p.hash in records], records, archives))
        return offers

    def _blobs(
        self,
        store: Store,
        contents: Contents | None,
        packages: Sequence[Package],
        records: Mapping[str, Record],
        archives: bool,
    ) -> dict[str, Offer]:
        wanted = [records[package.hash] for package in packages]
        specs = store.read([record.spec for record in wanted])
        if contents is not None:
            sizes = {path: item.size for path, item in contents.items.items()}
        else:
            sizes = store.sizes([record.archive for record in wanted]) if isinstance(store, Web) else {}
        digests = store.digests([record.archive for record in wanted if record.archive in sizes]) if archives else {}
        offers: dict[str, Offer] = {}
        for package in packages:
            record = records[package.hash]
            try:
                _check(package, record, specs, sizes, digests if archives else None)
                offers[package.hash] = Offer(store.cache.name, "", sizes[record.archive])
            except BuildcacheError as error:
                offers[package.hash] = _refusal(store.cache.name, error)
        return offers

    def needs(self, store: Store, contents: Contents, hashes: Iterable[str]) -> dict[str, Package]:
        """What packages need, from their own specs; without those that cannot be read, which nobody can use either."""
        paths = {key: contents.manifests[key].path for key in hashes}
        texts = store.read(list(paths.values()))
        specs: dict[str, str] = {}
        for key, path in paths.items():
            said = _payload(texts.get(path, b""), unsigned=True)
            record = _record(said) if isinstance(said, str) else said
            if isinstance(record, Record):
                specs[key] = record.spec
        blobs = store.read(list(dict.fromkeys(specs.values())))
        found: dict[str, Package] = {}
        for key, path in specs.items():
            with suppress(BuildcacheError):
                found[key] = model.parse_spec(_gunzip(blobs.get(path, b"")), key)
        return found

    def survey(self, stores: Sequence[tuple[Store, Contents | None]], lock: Lock, archives: bool) -> Survey:
        """A lock held against caches in their order; each is asked for what those before it do not have."""
        offers: dict[str, list[Offer]] = {}
        waiting = lock.wanted
        for store, contents in stores:
            for key, offer in self.offers(store, contents, waiting, archives).items():
                offers.setdefault(key, []).append(offer)
            waiting = [p for p in waiting if not any(not o.reason for o in offers.get(p.hash, ()))]
        return decide.survey(lock.wanted, offers)


def packages_of(store: Store, contents: Contents | None) -> list[listing.Listed]:
    """What a cache says it has; nothing of it is verified. Raises BuildcacheError where it has no index to be read.

    :param contents: its listing; None where it cannot be listed.
    """
    name = store.cache.name
    data = read_index(store)
    old = store.read([listing.OLD_INDEX], INDEX_LIMIT).get(listing.OLD_INDEX)
    if data is None and old is None:
        if contents is None:
            raise BuildcacheError(f"build cache {name} has no index, so what it has cannot be listed")
        return listing.dated(listing.of_names(name, contents), contents.items, contents.manifests)
    texts = [_plain_text(one) for one in (data, old) if one is not None]
    found = {one.hash: one for text in reversed(texts) for one in listing.of_index(name, text)}
    if contents is not None and data is not None:
        # What was pushed after the index was written.
        found = {**{one.hash: one for one in listing.of_names(name, contents)}, **found}
    return listing.dated(found.values(), contents.items if contents else {}, contents.manifests if contents else {})


def read_index(store: Store) -> bytes | None:
    """The index of a cache; None where it has none. Raises BuildcacheError."""
    text = store.read([model.INDEX]).get(model.INDEX)
    if text is None:
        return None
    path = model.single_blob(text.decode("utf-8", "replace"))
    return store.read([path], INDEX_LIMIT).get(path)


def _plain_text(data: bytes) -> str:
    if not data.startswith(b"\x1f\x8b"):
        return data.decode("utf-8", "replace")
    try:
        return zlib.decompressobj(wbits=31).decompress(data, INDEX_LIMIT).decode("utf-8", "replace")
    except zlib.error as error:
        raise BuildcacheError("the index of the cache cannot be unpacked") from error


def _refusal(cache: str, error: BuildcacheError) -> Offer:
    return Offer(cache, str(error), 0, not isinstance(error, DisguisedError))


def _payload(text: bytes, unsigned: bool = False) -> str | BuildcacheError:
    """What a manifest says, or why it is refused before its signature is looked at."""
    try:
        said, signed = model.payload(text.decode("utf-8", "replace"))
    except BuildcacheError as error:
        return error
    return said if signed or unsigned else BuildcacheError("it is not signed")


def _record(text: str) -> Record | BuildcacheError:
    """A manifest's record, or why there is none."""
    try:
        return model.parse_record(text)
    except BuildcacheError as error:
        return error


def _check(
    package: Package,
    record: Record,
    specs: Mapping[str, bytes],
    sizes: Mapping[str, int],
    digests: Mapping[str, str] | None,
) -> None:
    """Hold what a cache has against what was signed. Raises BuildcacheError where it differs."""
    size = sizes.get(record.archive)
    if size is None:
        raise BuildcacheError("its archive is missing")
    if size not in (-1, record.size):
        raise BuildcacheError(f"its archive is corrupted: {size} bytes instead of {record.size}")
    if digests is not None and digests.get(record.archive) != record.sha256:
        raise BuildcacheError("its archive is corrupted: its SHA-256 is not the one that was signed")
    data = specs.get(record.spec, b"")
    if hashlib.sha256(data).hexdigest() != record.spec_sha256:
        raise BuildcacheError("its spec is missing or corrupted")
    model.check_identity(_gunzip(data), package)


def _gunzip(data: bytes) -> str:
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(data, _UNPACKED)
    except zlib.error as error:
        raise BuildcacheError("its spec cannot be read") from error
    return unpacked.decode("utf-8", "replace")


def inspect(module: AnsibleModule) -> dict[str, Any]:
    """What caches hold, and have for a lock; the result of ``spack_buildcache_info``. Changes nothing.

    A cache that is not there or does not answer is a finding, not an error. Raises BuildcacheError for wrong options,
    such as another Region than that of a bucket.
    """
    given = module.params
    keyring = Keyring(module, given["gnupghome"])
    inspector = Inspector(keyring, fingerprints(given["trusted"]))
    caches: list[dict[str, Any]] = []
    usable: list[tuple[Store, Contents | None]] = []
    packages: list[listing.Listed] = []
    lines: list[dict[str, Any]] = []
    for options in given["caches"]:
        cache = cache_from(options)
        store = open_store(module, cache, given["spack"] or "")
        try:
            contents = _contents(store, inspector)
            packages += packages_of(store, contents) if given["packages"] else []
            lines += log.newest(module, store, contents, given["seed"]) if given["seed"] and contents else []
            usable.append((store, contents))
            caches.append(_counted(cache, contents))
        except RegionError:
            raise
        except BuildcacheError as error:
            caches.append({"name": cache.name, "url": cache.url, "listed": False, "problem": str(error)})
            module.warn(str(error))
    result: dict[str, Any] = {"changed": False, "caches": caches}
    if given["packages"]:
        chosen, more = listing.chosen(packages, given["text"])
        result.update(packages=[one.to_dict() for one in chosen], left_out=more)
    if given["seed"]:
        lines.sort(key=lambda line: str(line["when"]))
        result.update(history=lines, often_missing=history.often_missing(lines))
    if given["lock"]:
        lock = read_lock(given["lock"])
        if given["hashes"] is not None:
            lock = Lock({key: p for key, p in lock.packages.items() if key in set(given["hashes"])}, ())
        found = inspector.survey(usable, lock, given["verify_archives"])
        result.update(found.to_dict())
        result["messages"] = decide.refusals(found)
        for line in result["messages"]:
            module.warn(line)
    keyring.close()
    return result


def _contents(store: Store, inspector: Inspector) -> Contents | None:
    if not store.exists():
        raise nothing_there(store.cache)
    return inspector.contents(store)


def _counted(cache: Cache, contents: Contents | None) -> dict[str, Any]:
    counted = {"name": cache.name, "url": cache.url}
    if contents is not None:
        counted = decide.summary(cache, contents, time.time())
    return {**counted, "listed": contents is not None, "problem": ""}


def nothing_there(cache: Cache) -> BuildcacheError:
    return BuildcacheError(f"build cache {cache.name}: there is nothing at {cache.url}; the action init makes it")


def fingerprints(given: Sequence[str]) -> list[str]:
    return [keys.normal_fingerprint(text, "trusted") for text in given]


def read_lock(path: str) -> Lock:
    """The lock in a file. Raises BuildcacheError."""
    try:
        return model.parse_lock(Path(path).read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise BuildcacheError(f"{path} cannot be read: {error}; expected a spack.lock") from error
