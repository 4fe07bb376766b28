"""A bucket as a store of objects: moto's, over HTTP, with the boto3 of this Python and with that of another one."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from s3_server import serve

from ansible_collections.petal.hpc.plugins.module_utils._objects.api.bucket import Bucket, DistantBucket
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import (
    ANOTHER_REGION,
    File,
    Objects,
    ObjectsError,
    bucket_of,
)

URL = "s3://lab-objects/petal/prod"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        # A page of a listing has that many objects.
        patch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
        with serve(patch, tmp_path_factory.mktemp("s3"), "not-a-secret") as found:
            yield found


@pytest.fixture
def client(endpoint: str) -> Any:
    """What tests look with; there is nothing yet."""
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"), timeout=10).close()
    return boto3.client("s3", endpoint_url=endpoint)


@pytest.fixture
def near(endpoint: str) -> Bucket:
    return Bucket(lambda name, config: boto3.client(name, endpoint_url=endpoint, config=Config(**config)), URL)


@pytest.fixture
def distant(endpoint: str, tmp_path: Path) -> DistantBucket:
    def run(arguments: Sequence[str]) -> tuple[int, str]:
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    return DistantBucket(run, URL, endpoint, str(tmp_path))


@pytest.fixture(params=["near", "distant"])
def empty(request: pytest.FixtureRequest, client: Any) -> Objects:  # noqa: ARG001
    """Either of them, before there is a bucket."""
    found: Objects = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def store(empty: Objects) -> Objects:
    """Either of them, with an empty bucket."""
    empty.make()
    return empty


def test_a_bucket_that_is_missing_is_no_error_until_something_is_wanted_of_it(empty: Objects, client: Any) -> None:
    assert not empty.exists()
    with pytest.raises(ObjectsError) as raised:
        list(empty.listing())
    assert raised.value.code == "NoSuchBucket"
    empty.make()
    assert empty.exists()
    assert client.get_bucket_location(Bucket="lab-objects")["LocationConstraint"] == "eu-central-1"


def test_objects_are_written_listed_read_and_removed(store: Objects, client: Any) -> None:
    store.write("a/b/one", bytes(range(256)))
    store.write("a/two", b"22")
    client.put_object(Bucket="lab-objects", Key="elsewhere", Body=b"x")
    assert {item.path: item.size for item in store.listing()} == {"a/b/one": 256, "a/two": 2}
    assert [item.path for item in store.listing("a/b")] == ["a/b/one"]
    wanted = ["a/two", "a/b/one", "a/none"]
    assert store.read(wanted, 1000) == {"a/two": b"22", "a/b/one": bytes(range(256))}
    assert store.read(["a/two"], 1) == {"a/two": b"22"}
    assert store.read(["a/b/one"], 9) == {"a/b/one": bytes(range(10))}
    assert store.read([], 9) == {}
    assert store.digests(wanted) == {
        "a/b/one": hashlib.sha256(bytes(range(256))).hexdigest(),
        "a/two": hashlib.sha256(b"22").hexdigest(),
    }
    store.remove(["a/two", "a/none"])
    store.remove([])
    assert [item.path for item in store.listing()] == ["a/b/one"]


def test_more_than_a_page_is_listed(store: Objects, client: Any) -> None:
    for number in range(7):
        client.put_object(Bucket="lab-objects", Key=f"petal/prod/{number}", Body=b"")
    assert len(list(store.listing())) == 7


def test_a_large_file_and_its_record_go_in_and_out(client: Any, near: Bucket, tmp_path: Path) -> None:
    client.create_bucket(Bucket="lab-objects", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    archive = tmp_path / "archive"
    archive.write_bytes(b"x" * 3_000_000)

    def copy(_stream: BinaryIO) -> None:
        raise AssertionError("a bucket takes the file itself")

    assert near.add("all/one", {"archive": File(archive, copy), "record": b"{}"})
    assert near.read(["all/one/record"], 10) == {"all/one/record": b"{}"}
    assert len(list(near.listing())) == 2
    assert b"".join(near.pieces("all/one/archive", 2_999_999)) == b"x" * 2_999_999
    with pytest.raises(ObjectsError) as raised:
        list(near.pieces("all/none/archive", 1))
    assert raised.value.code == "NoSuchKey"
    near.drop("all/one", ["record", "archive", "never there"])
    assert list(near.listing()) == []


def test_who_does_not_answer_is_an_error_in_words(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    config = Config(retries={"max_attempts": 1}, connect_timeout=1)
    near = Bucket(lambda name, **_more: boto3.client(name, endpoint_url=nobody, config=config, region_name="x"), URL)
    with pytest.raises(ObjectsError, match="Could not connect"):
        near.exists()
    broken = DistantBucket(lambda _arguments: (1, "no such Spack"), URL, nobody, str(tmp_path))
    with pytest.raises(ObjectsError, match="no such Spack"):
        broken.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_in_another_region_is_found_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(arguments: Sequence[str]) -> tuple[int, str]:
        return subprocess.run([sys.executable, *arguments], check=False).returncode, ""

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with serve(monkeypatch, tmp_path, "not-a-secret", regional=True):
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        distant = DistantBucket(run, URL, "", str(scratch), "eu-central-1")
        assert not distant.exists()
        distant.make()
        distant.write("one", b"1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
        # No Region is named: boto3 goes to where it is.
        assert [item.path for item in DistantBucket(run, URL, "", str(scratch)).listing()] == ["one"]
        with pytest.raises(ObjectsError, match="the bucket is in Region eu-central-1, not in us-west-2") as refused:
            DistantBucket(run, URL, "", str(scratch), "us-west-2").exists()
        assert refused.value.code == ANOTHER_REGION
        # The server is as strict as Amazon: what is signed for another Region and goes nowhere else is refused.
        monkeypatch.setattr("botocore.utils.S3RegionRedirectorv2.redirect_from_error", lambda *_args, **_more: None)
        client = boto3.client("s3", region_name="us-west-2")
        with pytest.raises(ClientError, match="expecting 'eu-central-1'"):
            client.get_object(Bucket="lab-objects", Key="petal/prod/one")


def test_a_python_without_boto3_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(arguments: Sequence[str]) -> tuple[int, str]:
        # Without site packages there is none.
        return subprocess.run([sys.executable, "-S", "-I", *arguments], check=False).returncode, ""

    with pytest.raises(ObjectsError, match="No module named 'boto3'"):
        DistantBucket(run, URL, "", str(tmp_path)).exists()
    monkeypatch.setitem(sys.modules, "boto3.exceptions", None)
    with pytest.raises(ObjectsError, match=f"{URL} needs boto3 on this host"):
        Bucket(boto3.client, URL)


@pytest.mark.parametrize(
    ("url", "parts"),
    [("s3://b", ("b", "")), ("s3://b/", ("b", "")), ("s3://b/p", ("b", "p/")), ("s3://b/p/q/", ("b", "p/q/"))],
)
def test_what_a_url_names(url: str, parts: tuple[str, str]) -> None:
    assert bucket_of(url) == parts
