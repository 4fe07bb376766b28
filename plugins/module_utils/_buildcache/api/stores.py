# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where build caches are: on disk, in S3 and behind https."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import model
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError, Cache, RegionError
from ansible_collections.petal.hpc.plugins.module_utils._objects.api.bucket import DistantBucket
from ansible_collections.petal.hpc.plugins.module_utils._objects.api.directory import Directory
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import (
    ANOTHER_REGION,
    NO_BUCKET,
    Item,
    Objects,
    ObjectsError,
    bucket_of,
)

#: Options for one cache.
CACHE: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "endpoint_url": {"type": "str", "default": ""},
    "region": {"type": "str", "default": ""},
}

#: What a file of a cache may have, in bytes, where it is not its index.
SMALL = 1 << 20

_NO_CREDENTIALS = "Give the build host credentials for it, through its environment or its instance profile"
_WRONG_CREDENTIALS = "The credentials in the build host's environment are not valid there"
_REGION = (
    "Write where it is: s3_region in binary_cache of the seed, region in an entry of spack_buildcache_mirrors or "
    "spack_buildcache_public, spack_buildcache_region for any other"
)
#: What a store says where what was asked is about another Region.
_ABROAD = (
    *(ANOTHER_REGION, "PermanentRedirect", "301", "AuthorizationHeaderMalformed"),
    *("IllegalLocationConstraintException", "InvalidLocationConstraint"),
)
_HINTS = {
    **dict.fromkeys(_ABROAD, _REGION),
    "AccessDenied": _NO_CREDENTIALS,
    "403": _NO_CREDENTIALS,
    "InvalidAccessKeyId": _WRONG_CREDENTIALS,
    "SignatureDoesNotMatch": _WRONG_CREDENTIALS,
}


class Store:
    """Where a cache is. Paths are below its URL, with slashes. Every method raises BuildcacheError."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def exists(self) -> bool:
        """Whether there is a place for a cache: the directory or the bucket."""
        raise NotImplementedError

    def make(self) -> None:
        """Make that place."""
        raise self._read_only("it")

    def listing(self) -> list[Item] | None:
        """Everything in it; None where it cannot be listed."""
        raise NotImplementedError

    def read(self, paths: Sequence[str], limit: int = SMALL) -> dict[str, bytes]:
        """The contents of those that are there; an error for what is larger than ``limit`` bytes."""
        raise NotImplementedError

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        """The SHA-256 digests of those that are there."""
        raise NotImplementedError

    def write(self, path: str, text: str) -> None:
        """Write one file, whole or not at all."""
        raise self._read_only(f"{path} ({len(text)} characters)")

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files; those that are gone already count as removed."""
        raise self._read_only(", ".join(paths))

    def _read_only(self, what: str) -> BuildcacheError:
        return BuildcacheError(
            f"build cache {self.cache.name} at {self.cache.url} is for reading: {what} cannot change"
        )

    def _bounded(self, path: str, data: bytes, limit: int) -> bytes:
        if len(data) > limit:
            raise BuildcacheError(f"build cache {self.cache.name}: {path} is larger than {limit} bytes")
        return data


class Writable(Store):
    """A cache in a directory of this host, or in a bucket."""

    def __init__(self, cache: Cache, objects: Objects) -> None:
        super().__init__(cache)
        self._objects = objects

    def exists(self) -> bool:
        with self._explained():
            return self._objects.exists()

    def make(self) -> None:
        with self._explained():
            self._objects.make()

    def listing(self) -> list[Item] | None:
        with self._explained():
            return list(self._objects.listing())

    def read(self, paths: Sequence[str], limit: int = SMALL) -> dict[str, bytes]:
        with self._explained():
            found = self._objects.read(paths, limit)
        return {path: self._bounded(path, data, limit) for path, data in found.items()}

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        with self._explained():
            return self._objects.digests(paths)

    def write(self, path: str, text: str) -> None:
        with self._explained():
            self._objects.write(path, text.encode())

    def remove(self, paths: Sequence[str]) -> None:
        with self._explained():
            self._objects.remove(paths)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say which cache it is, and what to do about it."""
        try:
            yield
        except ObjectsError as error:
            said = f"{error.path}: {error}" if error.path else self._with_hint(error)
            where = f" ({self._where})" if self.cache.scheme == "s3" else ""
            kind = RegionError if error.code in _ABROAD else BuildcacheError
            raise kind(f"build cache {self.cache.name}{where}: {said}") from error
        except OSError as error:
            raise BuildcacheError(f"build cache {self.cache.name} at {self._where}: {error}") from error

    @property
    def _where(self) -> str:
        return f"{self.cache.url}{f' at {self.cache.endpoint_url}' if self.cache.endpoint_url else ''}"

    def _with_hint(self, error: ObjectsError) -> str:
        reason = str(error)
        hint = _HINTS.get(error.code, "")
        if error.code == NO_BUCKET:
            hint = f"There is no bucket {bucket_of(self.cache.url)[0]}; the action init makes it"
        elif "boto3" in reason and "No module" in reason:
            hint = "Install boto3 into the Python that Spack runs with"
        return f"{reason.rstrip('.')}.{f' {hint}.' if hint else ''}"


class Web(Store):
    """A cache behind http or https: it can be read, not listed."""

    def exists(self) -> bool:
        return True

    def listing(self) -> list[Item] | None:
        return None

    def read(self, paths: Sequence[str], limit: int = SMALL) -> dict[str, bytes]:
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda path: self._get(path, limit), paths))
        return {path: data for path, data in zip(paths, got) if data is not None}

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        with ThreadPoolExecutor(4) as pool:
            got = list(pool.map(self._digest, paths))
        return {path: digest for path, digest in zip(paths, got) if digest}

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """Sizes of those that are there, -1 where the server does not say."""
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(self._size, paths))
        return {path: size for path, size in zip(paths, got) if size is not None}

    def _get(self, path: str, limit: int) -> bytes | None:
        response = self._open(path)
        return None if response is None else self._bounded(path, response.read(limit + 1), limit)

    def _digest(self, path: str) -> str:
        response = self._open(path)
        if response is None:
            return ""
        digest = hashlib.sha256()
        while chunk := response.read(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()

    def _size(self, path: str) -> int | None:
        response = self._open(path, "HEAD")
        return None if response is None else int(response.headers.get("Content-Length", -1))

    def _open(self, path: str, method: str = "GET") -> Any:
        url = f"{self.cache.url}/{path}"
        try:
            return open_url(url, method=method, timeout=30)
        except HTTPError as error:
            if error.code in (403, 404, 410):
                return None
            said = f"{error.code} {error.reason}"
            raise BuildcacheError(f"build cache {self.cache.name}: {url} answered {said}") from error
        except Exception as error:
            raise BuildcacheError(f"build cache {self.cache.name}: {url} cannot be read: {error}") from error


def hand_over(path: Path, like: Path) -> None:
    """Give a directory and all in it to the owner of another one, where this is root and that is not."""
    owner = like.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for directory, _names, files in os.walk(path):
        for name in (".", *files):
            os.chown(Path(directory, name), owner.st_uid, owner.st_gid, follow_symlinks=False)


def open_store(module: AnsibleModule, cache: Cache, spack: str) -> Store:
    """Where a cache is, by the scheme of its URL.

    :param spack: its own Python has the boto3 that reaches S3; empty where there is none.
    """
    if cache.scheme == "file":
        return Writable(cache, Directory(Path(cache.url[len("file://") :])))
    if cache.scheme == "http":
        return Web(cache)

    def run(arguments: Sequence[str]) -> tuple[int, str]:
        if not spack:
            raise BuildcacheError(
                f"build cache {cache.name} is in S3: name the Spack whose boto3 reaches it (option spack)"
            )
        argv = [spack, "python", *arguments]
        rc, stdout, stderr = module.run_command(argv, environ_update=region_environment(cache))
        return rc, last_line(stderr or stdout)

    # Elsewhere than at Amazon a Region is a word.
    region = "" if cache.endpoint_url else cache.region
    return Writable(cache, DistantBucket(run, cache.url, cache.endpoint_url, module.tmpdir, region))


def cache_from(options: Mapping[str, Any]) -> Cache:
    """A cache from a module's options, see CACHE. Raises BuildcacheError."""
    return model.parse_cache(options["name"], options["url"], options["endpoint_url"] or "", options["region"] or "")


def region_environment(cache: Cache) -> dict[str, str]:
    """What Spack and boto3 have to know of a cache, and no file says."""
    return {"AWS_DEFAULT_REGION": cache.region} if cache.region else {}


def last_line(text: str) -> str:
    """The last line of an output that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")
