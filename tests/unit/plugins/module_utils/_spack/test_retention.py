"""Of a cache that is too large what was used longest ago goes, and never what a running build may use."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.retention import REST, SPEC
from ansible_collections.petal.hpc.plugins.module_utils._spack.retention_api import shrink, told

DAY = 86400.0
SIGNED = '-----BEGIN PGP SIGNED MESSAGE-----\n\n{{"version":3,"data":[{}]}}\n-----BEGIN PGP SIGNATURE-----\n'


class Cache:
    """A build cache of the layout that Spack 1.2 has, on the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    def blob(self, text: str, size: int, age: float = 30 * DAY) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._write(f"blobs/sha256/{digest[:2]}/{digest}", "x" * size, age)
        return digest

    def package(self, name: str, age: float, *digests: str) -> None:
        data = ",".join(f'{{"contentLength":1,\n"checksum":"{digest}"}}' for digest in digests)
        self._write(f"v3/manifests/spec/{name}/{name}-1.0-{'a' * 32}{SPEC}", SIGNED.format(data), age)

    def key(self, digest: str) -> None:
        self._write("v3/manifests/key/AB.key.manifest.json", f'{{"checksum": "{digest}"}}', 365 * DAY)

    def _write(self, name: str, text: str, age: float) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        then = time.time() - age
        os.utime(path, (then, then))

    def packages(self) -> list[str]:
        return sorted(path.parent.name for path in self.root.rglob(f"*{SPEC}"))

    def blobs(self) -> set[str]:
        return {path.name for path in (self.root / "blobs").rglob("*") if path.is_file()}

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "packages")


def test_what_was_used_longest_ago_goes_until_there_is_room(cache: Cache) -> None:
    blobs = {name: cache.blob(name, 10_000) for name in ("old", "older", "new")}
    for name, age in (("old", 10 * DAY), ("older", 20 * DAY), ("new", 0)):
        cache.package(name, age, blobs[name])
    done = shrink(cache.root, 25_000)
    assert cache.packages() == ["new", "old"]
    assert cache.blobs() == {blobs["old"], blobs["new"]}
    assert (done.packages, done.size) == (1, cache.size())
    assert told("/c", 25_000, done) == ""


def test_what_others_name_too_stays(cache: Cache) -> None:
    shared, alone, key = cache.blob("shared", 10_000), cache.blob("alone", 10_000), cache.blob("key", 10)
    cache.key(key)
    cache.package("old", 10 * DAY, shared, alone)
    cache.package("new", 0, shared)
    shrink(cache.root, 1)
    assert cache.packages() == ["new"]
    assert cache.blobs() == {shared, key}


def test_what_was_used_lately_stays_and_it_is_said(cache: Cache) -> None:
    cache.package("one", REST / 2, cache.blob("one", 10_000))
    done = shrink(cache.root, 5_000)
    assert cache.packages() == ["one"]
    assert (done.packages, done.freed, done.paths) == (0, 0, ())
    said = told("/var/cache/petal/own/packages", 5_000, done)
    assert "has 9.9 KiB, more than the 4.9 KiB that it may have" in said
    assert "software_volume_own_cache_limit" in said


def test_what_nobody_names_goes_first_once_no_push_can_be_at_it(cache: Cache) -> None:
    named = cache.blob("named", 10_000)
    cache.package("old", 10 * DAY, named)
    dead, fresh = cache.blob("dead", 10_000), cache.blob("fresh", 10, age=0)
    shrink(cache.root, 15_000)
    assert cache.packages() == ["old"]
    assert cache.blobs() == {named, fresh}
    assert dead not in cache.blobs()


@pytest.mark.parametrize("limit", [0, 10**9])
def test_without_need_nothing_goes(cache: Cache, limit: int) -> None:
    cache.blob("dead", 10_000)
    cache.package("old", 10 * DAY, cache.blob("old", 10_000))
    done = shrink(cache.root, limit)
    assert (done.paths, done.size) == ((), cache.size())


def test_no_link_leads_out_of_the_cache(cache: Cache, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    digest = hashlib.sha256(b"old").hexdigest()
    (victim / digest).write_text("x" * 10_000)
    cache.package("old", 10 * DAY, cache.blob("other", 10_000), digest)
    (cache.root / "blobs" / "sha256" / digest[:2]).symlink_to(victim)
    (cache.root / "v3" / "manifests" / "spec" / "linked").symlink_to(victim)
    shrink(cache.root, 1)
    assert (victim / digest).exists()
    assert cache.packages() == []
