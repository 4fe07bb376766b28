# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One bucket in S3, below a prefix.

Where this Python has boto3 it is imported. Where another one has it, such as Spack's own, this file travels as text and
is run by that, so it imports nothing of the collection, and boto3 only then:

    PYTHON s3.py REQUEST.json ANSWER.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

PIECE = 1 << 20
AT_ONCE = 16
#: What a client is made with.
CONFIG: dict[str, Any] = {"max_pool_connections": AT_ONCE, "retries": {"mode": "standard", "max_attempts": 4}}
MISSING = ("404", "NoSuchKey", "NotFound")


class Bucket:
    """A prefix of a bucket. Raises what the client raises.

    :param client: boto3's.
    :param prefix: ends with a slash, or is empty.
    """

    def __init__(self, client: Any, name: str, prefix: str) -> None:
        self._client = client
        self._name = name
        self._prefix = prefix
        #: Where the bucket is, once it was listed; empty where the store does not say.
        self.region = ""

    def items(self, start: str = "") -> Iterator[tuple[str, int, float]]:
        """Path, size and time of last change of everything whose path begins so."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._name, Prefix=self._prefix + start):
            self.region = page.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
            for found in page.get("Contents", ()):
                yield found["Key"][len(self._prefix) :], found["Size"], found["LastModified"].timestamp()

    def read(self, path: str, limit: int) -> bytes | None:
        """One object, up to ``limit`` bytes and one more; None where there is none."""
        body = self._body(path)
        return None if body is None else bytes(body.read(limit + 1))

    def digest(self, path: str) -> str | None:
        """Its SHA-256 digest in hex; None where there is none."""
        body = self._body(path)
        if body is None:
            return None
        total = hashlib.sha256()
        for piece in body.iter_chunks(PIECE):
            total.update(piece)
        return total.hexdigest()

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """An object piece by piece, and no more of it than ``size`` bytes."""
        body = self._get(path)
        while size > 0 and (piece := body.read(min(PIECE, size))):
            size -= len(piece)
            yield piece

    def write(self, path: str, data: bytes) -> None:
        """Write one object, whole or not at all."""
        self._client.put_object(Bucket=self._name, Key=self._prefix + path, Body=data)

    def upload(self, path: str, file: str) -> None:
        """Write one object from a file of any size."""
        self._client.upload_file(file, self._name, self._prefix + path)

    def remove(self, path: str) -> None:
        """Remove one object; one that is gone already counts as removed."""
        self._client.delete_object(Bucket=self._name, Key=self._prefix + path)

    def make(self) -> None:
        """Make the bucket, in the client's region."""
        region = self._client.meta.region_name
        where = {} if region in (None, "us-east-1", "aws-global") else {"LocationConstraint": region}
        self._client.create_bucket(Bucket=self._name, **({"CreateBucketConfiguration": where} if where else {}))

    def _body(self, path: str) -> Any:
        try:
            return self._get(path)
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise

    def _get(self, path: str) -> Any:
        return self._client.get_object(Bucket=self._name, Key=self._prefix + path)["Body"]


def spread(function: Callable[[str], Any], paths: list[str]) -> dict[str, Any]:
    """What a function gives for each path, asked at once; without those that are not there."""
    if len(paths) == 1:
        return {path: got for path in paths if (got := function(path)) is not None}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {path: got for path, got in zip(paths, pool.map(function, paths)) if got is not None}


def open_client(endpoint_url: str) -> Any:
    """A client with the credentials that boto3 finds: environment, profile, role of the instance.

    Without any the store is asked anonymously, as Spack does.
    """
    import boto3
    import botocore
    from botocore.config import Config

    session = boto3.Session()
    options = dict(CONFIG) if session.get_credentials() else {**CONFIG, "signature_version": botocore.UNSIGNED}
    return session.client("s3", endpoint_url=endpoint_url or None, config=Config(**options))


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request says; bytes travel as Latin-1, which has a character for each."""
    bucket = Bucket(open_client(request["endpoint_url"]), request["bucket"], request["prefix"])
    wanted, paths = request["do"], request["paths"]
    if wanted == "list":
        return {"items": list(bucket.items(request["start"])), "region": bucket.region}
    if wanted == "read":
        found = spread(lambda path: bucket.read(path, request["limit"]), paths)
        return {"read": {path: data.decode("latin-1") for path, data in found.items()}}
    if wanted == "digest":
        return {"digest": spread(bucket.digest, paths)}
    if wanted == "write":
        bucket.write(paths[0], request["data"].encode("latin-1"))
    elif wanted == "remove":
        for path in paths:
            bucket.remove(path)
    elif wanted == "make":
        bucket.make()
    else:
        raise ValueError("nobody knows how to " + wanted)
    return {}


if __name__ == "__main__":
    try:
        answer = main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    except Exception as error:
        said = getattr(error, "response", {}).get("Error", {})
        answer = {"error": str(error) or type(error).__name__, "code": said.get("Code", "")}
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")
