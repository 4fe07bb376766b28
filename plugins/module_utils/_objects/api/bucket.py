# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects in a bucket in S3: with the boto3 of this Python, or with that of another one."""

from __future__ import annotations

import inspect
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._objects.model import (
    ANOTHER_REGION,
    NO_BUCKET,
    Content,
    Item,
    ObjectsError,
    bucket_of,
)
from ansible_collections.petal.hpc.plugins.module_utils._objects.scripts import s3


class Bucket:
    """A prefix of a bucket, reached from this Python.

    :param open_client: makes boto3's client of a service's name, with a configuration as botocore's Config takes it.
    :param url: ``s3://BUCKET/PREFIX``. Raises ObjectsError where there is no boto3.
    """

    def __init__(self, open_client: Callable[..., Any], url: str) -> None:
        try:
            # Not above: whoever has a directory needs none, and has not to wait for it.
            import_module("boto3.exceptions")
        except ImportError as error:
            raise ObjectsError(f"the store {url} needs boto3 on this host: install it ({error})") from error
        self._bucket = s3.Bucket(open_client("s3", config=s3.CONFIG), *bucket_of(url))

    def exists(self) -> bool:
        """Whether the bucket is there."""
        try:
            next(self.listing(), None)
        except ObjectsError as error:
            if error.code == NO_BUCKET:
                return False
            raise
        return True

    def make(self) -> None:
        """Make the bucket."""
        with _asking():
            self._bucket.make()

    def listing(self, start: str = "") -> Iterator[Item]:
        """Everything whose path begins so."""
        with _asking():
            for found in self._bucket.items(start):
                yield Item(*found)

    def read(self, paths: Sequence[str], limit: int) -> dict[str, bytes]:
        """Those that are there, each up to ``limit`` bytes and one more."""
        with _asking():
            return s3.spread(lambda path: self._bucket.read(path, limit), list(paths))

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        """The SHA-256 digests of those that are there."""
        with _asking():
            return s3.spread(self._bucket.digest, list(paths))

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """An object piece by piece, and no more of it than ``size`` bytes; one that is missing is an error."""
        with _asking():
            yield from self._bucket.pieces(path, size)

    def write(self, path: str, data: bytes) -> None:
        """Write one object."""
        with _asking():
            self._bucket.write(path, data)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects in this order."""
        with _asking():
            for path in paths:
                self._bucket.remove(path)

    def add(self, folder: str, files: Mapping[str, Content]) -> bool:
        """Write all, the last one last; whoever has to know looks first whether it is there."""
        with _asking():
            for name, content in files.items():
                if isinstance(content, bytes):
                    self._bucket.write(f"{folder}/{name}", content)
                else:
                    self._bucket.upload(f"{folder}/{name}", str(content.path))
        return True

    def drop(self, folder: str, names: Sequence[str]) -> None:
        """Remove all, the first one first."""
        self.remove([f"{folder}/{name}" for name in names])


@contextmanager
def _asking() -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {})
        raise ObjectsError(str(found.get("Message", "")), code=str(found.get("Code", ""))) from error
    except (BotoCoreError, Boto3Error) as error:
        raise ObjectsError(str(error)) from error


class DistantBucket:
    """A prefix of a bucket, reached through another Python, which has boto3 where this one need not have it.

    Each question starts one, so that all that is wanted is asked at once.

    :param run: runs that Python with arguments; gives its status and what it said at the end.
    :param scratch: directory for what goes to it and comes back.
    :param region: where the bucket is to be, for an error where it is not; empty where that does not matter.
    """

    def __init__(
        self,
        run: Callable[[Sequence[str]], tuple[int, str]],
        url: str,
        endpoint_url: str,
        scratch: str,
        region: str = "",
    ) -> None:
        self._run = run
        self._bucket, self._prefix = bucket_of(url)
        self._endpoint_url = endpoint_url
        self._scratch = scratch
        self._region = region
        self._listed: list[Item] | None = None

    def exists(self) -> bool:
        """Whether the bucket is there; the listing that the question brings is kept for who asks for it next."""
        try:
            self._listed = self._list("")
        except ObjectsError as error:
            if error.code == NO_BUCKET:
                return False
            raise
        return True

    def make(self) -> None:
        """Make the bucket."""
        self._ask("make")

    def listing(self, start: str = "") -> Iterator[Item]:
        """Everything whose path begins so."""
        listed, self._listed = self._listed, None
        if listed is None:
            listed = self._list(start)
        return (item for item in listed if item.path.startswith(start))

    def read(self, paths: Sequence[str], limit: int) -> dict[str, bytes]:
        """Those that are there, each up to ``limit`` bytes and one more."""
        got = self._ask("read", paths, limit=limit)["read"] if paths else {}
        return {path: text.encode("latin-1") for path, text in got.items()}

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        """The SHA-256 digests of those that are there."""
        return dict(self._ask("digest", paths)["digest"]) if paths else {}

    def write(self, path: str, data: bytes) -> None:
        """Write one object."""
        self._ask("write", [path], data=data.decode("latin-1"))

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects in this order."""
        if paths:
            self._ask("remove", paths)

    def _list(self, start: str) -> list[Item]:
        answer = self._ask("list", start=start)
        # boto3 goes on to where it is; whoever writes another Region means another bucket, or has to know.
        if self._region and answer["region"] not in ("", self._region):
            raise ObjectsError(
                f"the bucket is in Region {answer['region']}, not in {self._region}", code=ANOTHER_REGION
            )
        return [Item(*found) for found in answer["items"]]

    def _ask(self, what: str, paths: Sequence[str] = (), **more: Any) -> dict[str, Any]:
        request = {
            "do": what,
            "bucket": self._bucket,
            "prefix": self._prefix,
            "endpoint_url": self._endpoint_url,
            "paths": list(paths),
            **more,
        }
        with tempfile.TemporaryDirectory(dir=self._scratch) as directory:
            script, question, reply = (Path(directory, name) for name in ("s3.py", "request.json", "reply.json"))
            script.write_text(inspect.getsource(s3), encoding="utf-8")
            question.write_text(json.dumps(request), encoding="utf-8")
            status, said = self._run([str(script), str(question), str(reply)])
            if status != 0 or not reply.is_file():
                raise ObjectsError(said)
            answer: dict[str, Any] = json.loads(reply.read_text(encoding="utf-8"))
        if "error" in answer:
            raise ObjectsError(answer["error"], code=answer["code"])
        return answer
