# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where build caches are: on disk, in S3 and behind https."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import model
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError, Cache, Item
from ansible_collections.petal.hpc.plugins.module_utils._host.api import sha256_of
from ansible_collections.petal.hpc.plugins.module_utils._host.below import api as below
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import PetalError

#: Options for one cache.
CACHE: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "endpoint_url": {"type": "str", "default": ""},
    "region": {"type": "str", "default": ""},
}

_SMALL = 1 << 20

# Runs in the interpreter of Spack, the one that has boto3. Credentials are found as boto3 finds them: environment,
# profile, role of the instance; without any the store is asked anonymously, as Spack does.
_S3 = """
import concurrent.futures, hashlib, json, sys
import boto3, botocore
from botocore.config import Config
with open(sys.argv[1]) as handle:
    request = json.load(handle)
answer = {}
try:
    session = boto3.Session()
    options = {"max_pool_connections": 16, "retries": {"mode": "standard", "max_attempts": 4}}
    if not session.get_credentials():
        options["signature_version"] = botocore.UNSIGNED
    s3 = session.client("s3", endpoint_url=request["endpoint_url"] or None, config=Config(**options))
    bucket, prefix = request["bucket"], request["prefix"]
    def missing(error):
        return error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound")
    def read(path):
        try:
            body = s3.get_object(Bucket=bucket, Key=prefix + path)["Body"]
            return body.read(request["limit"] + 1).decode("latin-1")
        except s3.exceptions.ClientError as error:
            if missing(error):
                return None
            raise
    def digest(path):
        try:
            body = s3.get_object(Bucket=bucket, Key=prefix + path)["Body"]
            digest = hashlib.sha256()
            for chunk in body.iter_chunks(1 << 20):
                digest.update(chunk)
            return digest.hexdigest()
        except s3.exceptions.ClientError as error:
            if missing(error):
                return None
            raise
    def spread(function):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return dict(zip(request["paths"], pool.map(function, request["paths"])))
    if request["do"] == "list":
        answer["items"] = [
            [found["Key"][len(prefix):], found["Size"], found["LastModified"].timestamp()]
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for found in page.get("Contents", [])
        ]
    elif request["do"] == "read":
        answer["read"] = spread(read)
    elif request["do"] == "digest":
        answer["digest"] = spread(digest)
    elif request["do"] == "write":
        s3.put_object(Bucket=bucket, Key=prefix + request["paths"][0], Body=request["text"].encode())
    elif request["do"] == "remove":
        for start in range(0, len(request["paths"]), 1000):
            objects = [{"Key": prefix + path} for path in request["paths"][start:start + 1000]]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    elif request["do"] == "make":
        region = s3.meta.region_name
        where = {} if region in (None, "us-east-1", "aws-global") else {"LocationConstraint": region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))
except Exception as error:
    code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    answer = {"error": str(error) or type(error).__name__, "code": code}
with open(sys.argv[2], "w") as handle:
    json.dump(answer, handle)
"""


class _NoBucketError(BuildcacheError):
    """There is no such bucket."""


class Store:
    """Where a cache is. Paths are below its URL, with slashes."""

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

    def read(self, paths: Sequence[str], limit: int = _SMALL) -> dict[str, bytes]:
        """The contents of those that are there; BuildcacheError for what is larger than ``limit`` bytes."""
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


class Directory(Store):
    """A cache in a directory of this host."""

    @property
    def _root(self) -> Path:
        return Path(self.cache.url[len("file://") :])

    def exists(self) -> bool:
        return self._root.is_dir()

    def make(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)

    def listing(self) -> list[Item] | None:
        found: list[Item] = []
        for directory, _names, files in os.walk(self._root):
            for name in files:
                path = Path(directory, name)
                try:
                    status = path.lstat()
                except FileNotFoundError:
                    # Somebody else pushes or prunes at this moment.
                    continue
                if stat.S_ISREG(status.st_mode):
                    found.append(Item(path.relative_to(self._root).as_posix(), status.st_size, status.st_mtime))
        return found

    def read(self, paths: Sequence[str], limit: int = _SMALL) -> dict[str, bytes]:
        return dict(self._each(paths, lambda path, stream: self._bounded(path, stream.read(limit + 1), limit)))

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        return dict(self._each(paths, lambda _path, stream: sha256_of(stream)))

    def _each(self, paths: Sequence[str], take: Callable[[str, BinaryIO], Any]) -> Iterator[tuple[str, Any]]:
        """What ``take`` makes of those that are there. A cache may be written by others: no link leads out of it."""
        for path in paths:
            with suppress(FileNotFoundError), self._named(path), below.file(self._root, path) as stream:
                yield path, take(path, stream)

    @contextmanager
    def _named(self, path: str) -> Iterator[None]:
        try:
            yield
        except BuildcacheError:
            raise
        except PetalError as error:
            raise BuildcacheError(f"build cache {self.cache.name}: {path}: {error}") from error

    def write(self, path: str, text: str) -> None:
        with self._named(path), below.above(self._root, path, make=True) as (parent, name):
            below.replace(parent, name, text.encode())

    def remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError), self._named(path), below.above(self._root, path) as (parent, name):
                os.unlink(name, dir_fd=parent)


class S3(Store):
    """A cache in a bucket, reached through the boto3 of Spack's own interpreter."""

    def __init__(self, cache: Cache, module: AnsibleModule, spack: str) -> None:
        super().__init__(cache)
        self._module = module
        self._spack = spack
        bucket, _slash, prefix = cache.url[len("s3://") :].partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._listed: list[Any] | None = None

    def exists(self) -> bool:
        try:
            # Each question starts a Spack: the listing that this one brings is kept for who asks for it next.
            self._listed = self._ask("list")["items"]
        except _NoBucketError:
            return False
        return True

    def make(self) -> None:
        self._ask("make")

    def listing(self) -> list[Item] | None:
        listed, self._listed = self._listed, None
        if listed is None:
            listed = self._ask("list")["items"]
        return [Item(path, size, modified) for path, size, modified in listed]

    def read(self, paths: Sequence[str], limit: int = _SMALL) -> dict[str, bytes]:
        if not paths:
            return {}
        got = self._ask("read", paths, limit=limit)["read"]
        return {
            path: self._bounded(path, text.encode("latin-1"), limit) for path, text in got.items() if text is not None
        }

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        if not paths:
            return {}
        return {path: digest for path, digest in self._ask("digest", paths)["digest"].items() if digest}

    def write(self, path: str, text: str) -> None:
        self._ask("write", [path], text=text)

    def remove(self, paths: Sequence[str]) -> None:
        if paths:
            self._ask("remove", paths)

    def _ask(self, what: str, paths: Sequence[str] = (), **more: Any) -> dict[str, Any]:
        if not self._spack:
            raise BuildcacheError(
                f"build cache {self.cache.name} is in S3: name the Spack whose boto3 reaches it (option spack)"
            )
        request = {
            "do": what,
            "bucket": self._bucket,
            "prefix": self._prefix,
            "endpoint_url": self.cache.endpoint_url,
            "paths": list(paths),
            **more,
        }
        with tempfile.TemporaryDirectory(dir=self._module.tmpdir) as scratch:
            script, question, reply = (Path(scratch, name) for name in ("s3.py", "request.json", "reply.json"))
            script.write_text(_S3, encoding="utf-8")
            question.write_text(json.dumps(request), encoding="utf-8")
            rc, stdout, stderr = self._module.run_command(
                [self._spack, "python", str(script), str(question), str(reply)],
                environ_update=region_environment(self.cache),
            )
            if rc != 0 or not reply.is_file():
                raise BuildcacheError(self._failure(last_line(stderr or stdout), ""))
            answer: dict[str, Any] = json.loads(reply.read_text(encoding="utf-8"))
        if answer.get("code") == "NoSuchBucket":
            raise _NoBucketError(self._failure(answer["error"], answer["code"]))
        if "error" in answer:
            raise BuildcacheError(self._failure(answer["error"], answer["code"]))
        return answer

    def _failure(self, reason: str, code: str) -> str:
        hints = {
            "NoSuchBucket": f"There is no bucket {self._bucket}; the action init makes it",
            "AccessDenied": "Give the build host credentials for it, through its environment or its instance profile",
            "403": "Give the build host credentials for it, through its environment or its instance profile",
            "InvalidAccessKeyId": "The credentials in the build host's environment are not valid there",
            "SignatureDoesNotMatch": "The credentials in the build host's environment are not valid there",
        }
        hint = hints.get(code, "")
        if "boto3" in reason and "No module" in reason:
            hint = "Install boto3 into the Python that Spack runs with"
        where = f"{self.cache.url}{f' at {self.cache.endpoint_url}' if self.cache.endpoint_url else ''}"
        return f"build cache {self.cache.name} ({where}): {reason.rstrip('.')}.{f' {hint}.' if hint else ''}"


class Web(Store):
    """A cache behind http or https: it can be read, not listed."""

    def exists(self) -> bool:
        return True

    def listing(self) -> list[Item] | None:
        return None

    def read(self, paths: Sequence[str], limit: int = _SMALL) -> dict[str, bytes]:
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
    """Where a cache is, by the scheme of its URL."""
    if cache.scheme == "file":
        return Directory(cache)
    return S3(cache, module, spack) if cache.scheme == "s3" else Web(cache)


def cache_from(options: Mapping[str, Any]) -> Cache:
    """A cache from a module's options, see CACHE. Raises BuildcacheError."""
    return model.parse_cache(options["name"], options["url"], options["endpoint_url"] or "", options["region"] or "")


def region_environment(cache: Cache) -> dict[str, str]:
    """What Spack and boto3 have to know of a cache, and no file says."""
    return {"AWS_DEFAULT_REGION": cache.region} if cache.region else {}


def last_line(text: str) -> str:
    """The last line of an output that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")
