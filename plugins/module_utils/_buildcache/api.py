# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build caches on disk, in S3 and behind https; GnuPG's keyring; and the commands of Spack that change a cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import decide, keys, model
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.decide import Offer, Survey
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.keys import Key
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import (
    BuildcacheError,
    Cache,
    Contents,
    DisguisedError,
    Item,
    Lock,
    Package,
    Record,
)
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import sha256_of

#: Options of every module about caches.
KEYRING: dict[str, dict[str, Any]] = {
    "gnupghome": {"type": "path", "required": True},
}
#: Option of those that look at signatures.
TRUSTED: dict[str, dict[str, Any]] = {"trusted": {"type": "list", "elements": "str", "default": []}}
#: Options for one cache.
CACHE: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "endpoint_url": {"type": "str", "default": ""},
    "region": {"type": "str", "default": ""},
}

_SMALL = 1 << 20
_INDEX = 1 << 29
_UNPACKED = 64 << 20

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


def read_lock(path: str) -> Lock:
    """The lock in a file. Raises BuildcacheError."""
    try:
        return model.parse_lock(Path(path).read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise BuildcacheError(f"{path} cannot be read: {error}; expected a spack.lock") from error


class Keyring:
    """The keyring of GnuPG that a Spack has for itself: whoever's key is in it can sign what Spack installs."""

    def __init__(self, module: AnsibleModule, home: str) -> None:
        self._module = module
        self._home = home
        self._gpg = module.get_bin_path("gpg") or module.get_bin_path("gpg2") or ""
        self._copies = Path(home, "petal-copies")

    def held(self) -> Mapping[str, Key]:
        """Its keys, by fingerprint; none where there is no keyring yet."""
        if not Path(self._home).is_dir():
            return {}
        public = keys.parse_keys(self._run(["--list-keys"]))
        return keys.merge_secret(public, keys.parse_keys(self._run(["--list-secret-keys"])))

    def show(self, path: str) -> str:
        """What a file holds, as a colon listing; nothing is imported."""
        with self._scratch() as scratch:
            return self._run(["--import-options", "show-only", "--import", path], home=scratch, accept=(0, 2))

    def add(self, path: str, fingerprint: str) -> None:
        """Import what a file holds, and trust that key of it."""
        Path(self._home).mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._copies.open("a", encoding="utf-8") as stream:
            stream.write(f"{fingerprint}\n")
        self._run(["--import", path])
        self._run(["--import-ownertrust"], data=f"{fingerprint}:6:\n")

    def copies(self) -> frozenset[str]:
        """The keys that came from files of their own: with them nothing is lost."""
        return frozenset(self._copies.read_text(encoding="utf-8").split()) if self._copies.exists() else frozenset()

    def delete(self, fingerprint: str) -> None:
        """Take a key out, its secret part too."""
        self._run(["--yes", "--delete-secret-and-public-key", fingerprint])

    def generate(self, user: str, secret_file: str) -> str:
        """Make a signing key outside of this keyring: its secret part in a file of its owner's, its public beside it.

        Returns its fingerprint.
        """
        target = Path(secret_file)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._scratch() as scratch:
            free = ["--pinentry-mode", "loopback", "--passphrase", ""]
            self._run([*free, "--quick-generate-key", user, "ed25519", "sign", "never"], home=scratch)
            fingerprint = keys.parse_keys(self._run(["--list-secret-keys"], home=scratch))[0].fingerprint
            secret = self._run([*free, "--armor", "--export-secret-keys", fingerprint], home=scratch)
            public = self._run(["--armor", "--export", fingerprint], home=scratch)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(secret)
        Path(f"{secret_file}.pub").write_text(public, encoding="utf-8")
        return fingerprint

    def verify(self, texts: Mapping[str, bytes], trusted: Iterable[str]) -> dict[str, str]:
        """Why signed texts are not good enough, by their names; empty where they are.

        trusted: fingerprints; others that the keyring may hold do not count.
        """
        trusted = set(trusted)
        verdicts: dict[str, str] = {}
        waiting = sorted(texts)
        with tempfile.TemporaryDirectory(dir=self._module.tmpdir) as scratch, self._scratch() as empty:
            for name in waiting:
                Path(scratch, name).write_bytes(texts[name])
            home = self._home if Path(self._home).is_dir() else empty
            while waiting:
                # One process for all; it ends at the first signature that does not match, and is started again.
                paths = [str(Path(scratch, name)) for name in waiting]
                status = self._run(["--status-fd", "1", "--verify-files", *paths], home=home, accept=None)
                found = {Path(path).name: why for path, why in keys.parse_verification(status, trusted).items()}
                if not found:
                    raise BuildcacheError("gpg does not verify signatures on this host; is GnuPG 2 installed?")
                verdicts.update(found)
                waiting = [name for name in waiting if name not in verdicts]
        return verdicts

    def close(self) -> None:
        """End the agent, which would hold the mount namespace of a build, and leave the keyring to its Spack's user."""
        if not Path(self._home).is_dir():
            return
        gpgconf = self._module.get_bin_path("gpgconf")
        if gpgconf:
            self._module.run_command([gpgconf, "--homedir", self._home, "--kill", "gpg-agent"])
        hand_over(Path(self._home), Path(self._home).parent)

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        # In /tmp, for the name of the agent's socket has a limit of about a hundred characters.
        home = tempfile.mkdtemp(prefix="petal-gpg-")
        try:
            yield home
        finally:
            gpgconf = self._module.get_bin_path("gpgconf")
            if gpgconf:
                self._module.run_command([gpgconf, "--homedir", home, "--kill", "all"])
            shutil.rmtree(home, ignore_errors=True)

    def _run(
        self,
        arguments: Sequence[str],
        home: str = "",
        data: str | None = None,
        accept: Sequence[int] | None = (0,),
    ) -> str:
        if not self._gpg:
            raise BuildcacheError("there is no gpg on this host: install GnuPG, which signs and verifies build caches")
        argv = [self._gpg, "--homedir", home or self._home, "--batch", "--no-tty", "--with-colons", *arguments]
        rc, stdout, stderr = self._module.run_command(argv, data=data, binary_data=True, environ_update={"LC_ALL": "C"})
        if accept is not None and rc not in accept:
            raise BuildcacheError(f"gpg {arguments[0]}: {last_line(stderr)}")
        return str(stdout)


def ensure_keys(module: AnsibleModule) -> dict[str, Any]:
    """Make a keyring hold the keys that are named, and no other.

    A key without a file is taken from what the caches publish, which is safe: nothing but its fingerprint decides.
    Returns the result of ``spack_buildcache_keys``. Raises BuildcacheError.
    """
    given = module.params
    keyring = Keyring(module, given["gnupghome"])
    stores = [open_store(module, cache_from(options), given["spack"] or "") for options in given["caches"]]
    os.umask(0o077)
    named = {keys.normal_fingerprint(entry["fingerprint"], entry["name"]): entry for entry in given["keys"]}
    before = keyring.held()
    imported = []
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as scratch:
        for fingerprint, entry in named.items():
            if fingerprint in before and not before[fingerprint].problem:
                continue
            copy = str(Path(scratch, fingerprint))
            where = _get_key(entry, fingerprint, stores, copy)
            keys.the_key(keyring.show(copy), fingerprint, entry["name"], where)
            imported.append(fingerprint)
            if not module.check_mode:
                keyring.add(copy, fingerprint)
    signing = _ensure_signing_key(module, keyring, before)
    stranger = keys.unwanted(before.values(), [*named, signing["fingerprint"]])
    kept = [key.fingerprint for key in stranger if key.secret and key.fingerprint not in keyring.copies()]
    if given["exclusive"] and kept:
        raise BuildcacheError(
            f"{given['gnupghome']} holds the secret key {kept[0]}, which nobody named, and what it signs would be "
            "trusted: name it as signing key, or delete it with gpg --delete-secret-and-public-keys"
        )
    removed = [key.fingerprint for key in stranger] if given["exclusive"] else []
    if not module.check_mode:
        for fingerprint in removed:
            keyring.delete(fingerprint)
    keyring.close()
    trusted = list(dict.fromkeys(filter(None, [*named, signing["fingerprint"]])))
    after = [*trusted, *(key.fingerprint for key in stranger if key.fingerprint not in removed)]
    return {
        "changed": bool(imported or removed or signing["changed"]),
        "keys": [
            {"name": entry["name"], "fingerprint": key, "imported": key in imported} for key, entry in named.items()
        ],
        "removed": removed,
        "trusted": trusted,
        "signing_key": {key: signing[key] for key in ("fingerprint", "file", "public_file", "created")},
        "diff": {
            "before": "".join(f"{key}\n" for key in sorted(before)),
            "after": "".join(f"{key}\n" for key in sorted(after)),
        },
    }


def _get_key(entry: Mapping[str, Any], fingerprint: str, stores: Sequence[Store], target: str) -> str:
    """Copy a key to a private file, so that what is looked at is what is imported; where it came from."""
    if entry.get("file"):
        try:
            shutil.copyfile(entry["file"], target)
        except OSError as error:
            raise BuildcacheError(f"key {entry['name']}: {entry['file']} cannot be read: {error.strerror}") from error
        return str(entry["file"])
    path = model.key_path(fingerprint)
    for store in stores:
        try:
            data = store.read([path]).get(path)
            if data is not None:
                path = model.single_blob(data.decode("utf-8", "replace"))
                data = store.read([path]).get(path)
        except BuildcacheError:
            # A cache that does not answer cannot be used either; another one may have the key.
            continue
        if data is not None:
            Path(target).write_bytes(data)
            return f"the key that {store.cache.url} publishes"
    looked = ", ".join(store.cache.url for store in stores) or "no cache"
    raise BuildcacheError(
        f"key {entry['name']} ({fingerprint}) was not found: no file is named for it, and it is not published by "
        f"{looked}. Name its file, or let the owner of the cache publish it"
    )


def _ensure_signing_key(module: AnsibleModule, keyring: Keyring, before: Mapping[str, Key]) -> dict[str, Any]:
    wanted = module.params["signing_key"] or {}
    file = wanted.get("file") or ""
    fingerprint = keys.normal_fingerprint(wanted["fingerprint"], "signing_key") if wanted.get("fingerprint") else ""
    result = {"fingerprint": fingerprint, "file": file, "public_file": "", "changed": False, "created": False}
    if file:
        result["public_file"] = f"{file}.pub"
        if not Path(file).exists():
            _generate(module, keyring, result, wanted)
        if Path(file).exists():
            _import_signing_key(module, keyring, before, result)
    elif fingerprint and not (fingerprint in before and before[fingerprint].secret):
        raise BuildcacheError(f"the secret key {fingerprint} is not in {module.params['gnupghome']}; name its file")
    return result


def _generate(module: AnsibleModule, keyring: Keyring, result: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    file = result["file"]
    if not wanted.get("create"):
        raise BuildcacheError(f"there is no signing key at {file}; the action init makes one where it is asked to")
    if result["fingerprint"]:
        raise BuildcacheError(f"there is no signing key at {file}; {result['fingerprint']} cannot be made again")
    result.update(changed=True, created=True)
    if not module.check_mode:
        keyring.generate(wanted.get("user") or "petal.hpc build cache", file)


def _import_signing_key(
    module: AnsibleModule, keyring: Keyring, before: Mapping[str, Key], result: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as scratch:
        copy = str(Path(scratch, "key"))
        shutil.copyfile(result["file"], copy)
        listing = keyring.show(copy)
        listed = keys.parse_keys(listing)
        fingerprint = result["fingerprint"] or (listed[0].fingerprint if listed else "")
        if not keys.the_key(listing, fingerprint, "signing_key", result["file"]).secret:
            raise BuildcacheError(f"{result['file']} holds no secret key; expected the one that signs what is pushed")
        result["fingerprint"] = fingerprint
        if fingerprint not in before or not before[fingerprint].secret:
            result["changed"] = True
            if not module.check_mode:
                keyring.add(copy, fingerprint)


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

    def survey(self, stores: Sequence[tuple[Store, Contents | None]], lock: Lock, archives: bool) -> Survey:
        """A lock held against caches in their order; each is asked for what those before it do not have."""
        offers: dict[str, list[Offer]] = {}
        waiting = lock.wanted
        for store, contents in stores:
            for key, offer in self.offers(store, contents, waiting, archives).items():
                offers.setdefault(key, []).append(offer)
            waiting = [p for p in waiting if not any(not o.reason for o in offers.get(p.hash, ()))]
        return decide.survey(lock.wanted, offers)


def _refusal(cache: str, error: BuildcacheError) -> Offer:
    return Offer(cache, str(error), 0, not isinstance(error, DisguisedError))


def _payload(text: bytes) -> str | BuildcacheError:
    """What a manifest says, or why it is refused before its signature is looked at."""
    try:
        said, signed = model.payload(text.decode("utf-8", "replace"))
    except BuildcacheError as error:
        return error
    return said if signed else BuildcacheError("it is not signed")


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

    A cache that is not there or does not answer is a finding, not an error. Raises BuildcacheError for wrong options.
    """
    given = module.params
    keyring = Keyring(module, given["gnupghome"])
    inspector = Inspector(keyring, _fingerprints(given["trusted"]))
    now = time.time()
    caches: list[dict[str, Any]] = []
    usable: list[tuple[Store, Contents | None]] = []
    for options in given["caches"]:
        cache = cache_from(options)
        store = open_store(module, cache, given["spack"] or "")
        try:
            if not store.exists():
                raise _nothing_there(cache)
            contents = inspector.contents(store)
            usable.append((store, contents))
            counted = {"name": cache.name, "url": cache.url}
            if contents is not None:
                counted = decide.summary(cache, contents, now)
            caches.append({**counted, "listed": contents is not None, "problem": ""})
        except BuildcacheError as error:
            caches.append({"name": cache.name, "url": cache.url, "listed": False, "problem": str(error)})
            module.warn(str(error))
    result: dict[str, Any] = {"changed": False, "caches": caches}
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


def _nothing_there(cache: Cache) -> BuildcacheError:
    return BuildcacheError(f"build cache {cache.name}: there is nothing at {cache.url}; the action init makes it")


def _fingerprints(given: Sequence[str]) -> list[str]:
    return [keys.normal_fingerprint(text, "trusted") for text in given]


class Buildcache:
    """Changes one cache, through Spack where Spack has a command for it."""

    def __init__(self, module: AnsibleModule) -> None:
        given = module.params
        self._module = module
        self._cache = cache_from(given)
        self._store = open_store(module, self._cache, given["spack"])
        self._keyring = Keyring(module, given["gnupghome"])
        self._signing_key = keys.normal_fingerprint(given["signing_key"], "signing_key") if given["signing_key"] else ""
        trusted = [*_fingerprints(given["trusted"]), self._signing_key]
        self._inspector = Inspector(self._keyring, filter(None, trusted))

    def ensure(self) -> dict[str, Any]:
        """Reach the module's ``state``; its result. Raises BuildcacheError."""
        if self._cache.scheme == "http":
            raise BuildcacheError(f"build cache {self._cache.name} at {self._cache.url} can only be read")
        os.umask(0o022)
        try:
            done: dict[str, Any] = getattr(self, self._module.params["state"])()
            if self._cache.scheme == "file" and done["changed"] and not self._module.check_mode:
                # Spack writes to it too, as the user whose keyring this is.
                hand_over(Path(self._cache.url[len("file://") :]), Path(self._module.params["gnupghome"]).parent)
        finally:
            self._keyring.close()
        return {"cache": {"name": self._cache.name, "url": self._cache.url}, **done}

    def present(self) -> dict[str, Any]:
        """Make the place, what marks it as a cache, and publish the signing key."""
        done: list[str] = []
        check_mode = self._module.check_mode
        if not self._store.exists():
            done.append("made")
            if not check_mode:
                self._store.make()
        contents = Contents() if "made" in done else self._contents()
        if model.LAYOUT_FILE not in contents.items:
            done.append("marked")
            if not check_mode:
                self._store.write(model.LAYOUT_FILE, model.LAYOUT_TEXT)
        if self._signing_key and self._signing_key not in contents.keys:
            done.append("key published")
            if not check_mode:
                arguments = ["--mirror-name", self._cache.name, "--update-index", self._signing_key]
                self._spack("publish the key in", ["gpg", "publish", *arguments])
        return {"changed": bool(done), "actions": done}

    def pushed(self) -> dict[str, Any]:
        """Push what of a lock is installed and not held yet, or held in a state in which nobody may use it."""
        given = self._module.params
        if not self._signing_key:
            raise BuildcacheError("nothing is pushed unsigned: name the key that signs (option signing_key)")
        lock = read_lock(given["lock"])
        installed = set(self._spack("ask about", ["find", "--format", "{hash}"], accept=(0, 1)).split())
        contents = self._contents()
        offers = self._inspector.offers(self._store, contents, lock.wanted, False)
        good = {key for key, offer in offers.items() if not offer.reason} - set(given["replace"])
        wanted = decide.to_push(lock, installed, good, set(given["exclude"]))
        check_mode = self._module.check_mode
        parts = [[p for p in wanted if (p.hash in contents.manifests) == force] for force in (True, False)]
        for part, force in zip(parts, (True, False)):
            if part and not check_mode:
                arguments = ["--force"] if force else []
                arguments += ["--update-index"] if part is parts[1] or not parts[1] else []
                arguments += ["--only", "package", "--key", self._signing_key, self._cache.name]
                self._spack("push to", ["buildcache", "push", *arguments, *(f"/{package.hash}" for package in part)])
        indexed = self._mend_index(contents) if not wanted else False
        noted = self._note(lock, contents)
        after = contents if check_mode or not wanted else self._contents()
        # Spack keeps back what its recipe does not allow to hand on.
        arrived = [p for p in wanted if check_mode or p.hash in after.manifests]
        return {
            "changed": bool(arrived or noted or indexed),
            "pushed": [_plain(package) for package in arrived],
            "kept_back": [_plain(package) for package in wanted if package not in arrived],
            "already": len(good & {package.hash for package in lock.wanted}),
            "replaced": sum(1 for package in arrived if package.hash in contents.manifests),
            "bytes": _size(after) - _size(contents),
        }

    def pruned(self) -> dict[str, Any]:
        """Remove what is older than ``max_age`` and needed by no seed that is kept."""
        given = self._module.params
        contents = self._contents()
        forgotten = [name for name in given["forget"] if name in contents.seeds]
        noted = {name: item.path for name, item in contents.seeds.items() if name not in given["forget"]}
        texts = self._store.read(list(noted.values()))
        kept = {package.hash for path in given["keep_locks"] for package in read_lock(path).wanted}
        for path, text in texts.items():
            kept |= model.parse_seed(text.decode("utf-8", "replace"), f"{self._cache.url}/{path}")
        plan = decide.pruning(contents, decide.parse_age(given["max_age"]), time.time(), kept, self._index(contents))
        after = contents
        if not self._module.check_mode:
            self._store.remove([contents.seeds[name].path for name in forgotten])
            if plan.remove:
                self._prune(plan.keep)
                self._update_index(bool(plan.keep))
                after = self._contents()
        mended = self._mend_index(contents) if not plan.remove else False
        freed = _size(contents) - _size(after)
        return {
            "changed": bool(plan.remove or forgotten or mended),
            "removed": [contents.manifests[key].path.rpartition("/")[2].split(".spec.")[0] for key in plan.remove],
            "kept": len(plan.keep),
            "kept_for_seeds": plan.needed_by_seeds,
            "kept_for_packages": plan.needed_by_packages,
            "seeds": sorted(noted),
            "forgotten": forgotten,
            "freed_bytes": freed,
        }

    def _prune(self, keep: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory(dir=self._module.tmpdir) as scratch:
            keeplist = Path(scratch, "keep")
            # Spack refuses an empty list; no package has this hash.
            keeplist.write_text("\n".join(keep or ["a" * 32]) + "\n", encoding="utf-8")
            self._spack("clear", ["buildcache", "prune", "--keeplist", str(keeplist), self._cache.name])

    def _contents(self) -> Contents:
        if not self._store.exists():
            raise _nothing_there(self._cache)
        return self._inspector.contents(self._store) or Contents()

    def _index(self, contents: Contents) -> dict[str, Package]:
        if model.INDEX not in contents.items:
            return {}
        text = self._store.read([model.INDEX]).get(model.INDEX, b"")
        path = model.single_blob(text.decode("utf-8", "replace"))
        data = self._store.read([path], _INDEX).get(path)
        return model.parse_index(data.decode("utf-8", "replace")) if data else {}

    def _mend_index(self, contents: Contents) -> bool:
        """Make the index say what the cache holds, where a run that was broken off left it behind; whether it was."""
        try:
            index = set(self._index(contents))
        except BuildcacheError:
            index = {"unreadable"}
        if index == set(contents.manifests):
            return False
        if not self._module.check_mode:
            self._update_index(bool(contents.manifests))
        return True

    def _update_index(self, any_left: bool) -> None:
        if any_left:
            self._spack("update the index of", ["buildcache", "update-index", self._cache.name])
        else:
            # Spack cannot write an index of nothing.
            self._store.remove([model.INDEX])

    def _note(self, lock: Lock, contents: Contents) -> bool:
        """Note what a seed needs, where a seed is named; whether that is new."""
        given = self._module.params
        if not given["seed"]:
            return False
        path = model.seed_path(given["seed"])
        text = model.seed_text(given["seed"], given["fingerprint"] or "", lock)
        if path in contents.items and self._store.read([path]).get(path, b"").decode("utf-8", "replace") == text:
            return False
        if not self._module.check_mode:
            self._store.write(path, text)
        return True

    def _spack(self, what: str, arguments: Sequence[str], accept: Sequence[int] = (0,)) -> str:
        argv = [self._module.params["spack"], "--color", "never", *arguments]
        rc, stdout, stderr = self._module.run_command(argv, environ_update=region_environment(self._cache))
        if rc not in accept:
            lines = [line for line in (stderr + stdout).splitlines() if line.strip()]
            first = next((n for n, line in enumerate(lines) if "Error:" in line), max(0, len(lines) - 5))
            reason = "\n".join(lines[first : first + 8])
            raise BuildcacheError(f"could not {what} build cache {self._cache.name} ({self._cache.url}):\n{reason}")
        return str(stdout)


def _size(contents: Contents) -> int:
    return sum(item.size for item in contents.items.values())


def _plain(package: Package) -> dict[str, str]:
    return {"name": package.name, "version": package.version, "hash": package.hash}
