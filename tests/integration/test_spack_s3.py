"""build_volume with a bucket and a key that is kept elsewhere: what was built is there for a host that has nothing."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import package_graph
import pytest
import spack_at_hand
import yaml
from modules import run_module
from playing import Run, leftovers, play, why_not_mount
from s3_server import serve

boto3 = pytest.importorskip("boto3")

BUCKET = "petal-cache-test"
REGION = "eu-central-1"
SECRET = "not-in-any-file-or-log"
PARAMETER = "/petal/buildcache-key"
MOUNT_DIR = Path("/petal-s3-test")
BUILT = {"lab-b5", "compiler-wrapper", "gcc-runtime"}


@dataclass(frozen=True)
class Site:
    """A seed, a bucket, and a key in Systems Manager."""

    place: Path
    endpoint: str
    variables: dict[str, Any]
    key: str

    def build(self, store: str, *arguments: str, **more: Any) -> Run:
        given = {**self.variables, "store": str(self.place / store), **more}
        return play("build_volume", *arguments, "-e", json.dumps(given))

    def has(self) -> set[str]:
        """Names of the packages in the bucket."""
        client = boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION)
        found = client.list_objects_v2(Bucket=BUCKET, Prefix="packages/v3/manifests/spec/").get("Contents", [])
        return {item["Key"].split("/")[-2] for item in found}

    def history(self) -> list[dict[str, Any]]:
        """What the bucket says that it had before each build."""
        client = boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION)
        found = client.list_objects_v2(Bucket=BUCKET, Prefix="packages/petal/history/s3-test/").get("Contents", [])
        keys = sorted(item["Key"] for item in found)
        return [json.load(client.get_object(Bucket=BUCKET, Key=key)["Body"]) for key in keys]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := why_not_mount() or spack_at_hand.why_not():
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("s3")
    seed = {
        "cluster": {"name": "s3-test", "provider": "local"},
        "shared_storage": [{"name": "software", "mount_dir": str(MOUNT_DIR), "ebs_settings": {"size": 4}}],
        "software": {
            "spack_packages": ["lab-b5"],
            "binary_cache": {"s3_bucket": BUCKET, "s3_prefix": "packages", "s3_region": REGION},
            **spack_at_hand.software(),
        },
    }
    (place / "seed.yaml").write_text(yaml.safe_dump(seed))
    key = place / "elsewhere" / "site.key"
    run_module(
        "spack_buildcache_keys", gnupghome=place / "elsewhere" / "gpg", signing_key={"file": key, "create": True}
    )
    with pytest.MonkeyPatch.context() as patch, serve(patch, place, SECRET) as endpoint:
        patch.setenv("AWS_ENDPOINT_URL_SSM", endpoint)
        bucket = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        boto3.client("s3", endpoint_url=endpoint, region_name=REGION).create_bucket(Bucket=BUCKET, **bucket)
        parameters = boto3.client("ssm", endpoint_url=endpoint, region_name=REGION)
        parameters.put_parameter(Name=PARAMETER, Value=key.read_text(), Type="SecureString")
        variables = {
            "seed": str(place / "seed.yaml"),
            "spack_repositories": {package_graph.NAMESPACE: str(package_graph.write(place / "graph", 20))},
            "spack_buildcache_endpoint_url": endpoint,
            "spack_buildcache_signing_key_from": f"ssm:{PARAMETER}",
            **spack_at_hand.variables(),
        }
        there = MOUNT_DIR.exists()
        yield Site(place, endpoint, variables, key.read_text())
        for old in Path("/var/cache/petal/spack").glob(f"_{MOUNT_DIR.name}_*"):
            shutil.rmtree(old)
        if not there:
            with contextlib.suppress(OSError):
                MOUNT_DIR.rmdir()


def left_in_memory() -> list[Path]:
    return [path for top in ("/run", "/dev/shm") for path in Path(top).glob("petal-keys-*")]


def test_what_one_host_builds_another_one_takes(site: Site) -> None:
    first = site.build("first", software_volume_own_cache=str(site.place / "first-own"))
    assert first.rc == 0, first.output
    assert "cache        to build cache seed: 3 packages (" in first.output
    assert site.has() >= BUILT
    (line,) = site.history()
    assert (line["by"], line["hits"], line["misses"]) == ("build", 0, 3)
    assert {one.partition("@")[0] for one in line["missing"]} == BUILT
    assert left_in_memory() == []
    secret = site.key.splitlines()[3]
    assert secret not in first.output
    search = [
        "grep",
        "-rlF",
        secret,
        "/var/cache/petal/spack",
        str(site.place / "first-own"),
        str(site.place / "first"),
    ]
    assert subprocess.run(search, capture_output=True, text=True, check=False).stdout == ""

    second = site.build("second", software_volume_own_cache=str(site.place / "second-own"))
    assert second.rc == 0, second.output
    (snapshot,) = (site.place / "second").glob("snapshots/snap-*")
    packages = json.loads((snapshot / "manifest.json").read_text())["packages"]
    assert [(one["hits"], one["misses"]) for one in site.history()] == [(0, 3), (3, 0)]
    assert {one["origin"] for one in packages} == {"cache"}
    assert leftovers(site.place / "second") == []


def test_a_key_that_is_gone_is_said_before_anything_is_built(site: Site) -> None:
    own = str(site.place / "own")
    unsigned = site.build(
        "fourth", software_volume_own_cache=own, spack_buildcache_signing_key_from="ssm:/petal/nothing"
    )
    assert unsigned.rc != 0
    said = "spack_buildcache_signing_key_from (ssm:/petal/nothing) could not be read with the controller's credentials"
    assert said in unsigned.output, unsigned.output
    assert left_in_memory() == []


def test_a_bucket_that_is_gone_fails_no_build(site: Site) -> None:
    (site.place / "seed.yaml").write_text((site.place / "seed.yaml").read_text().replace(BUCKET, "nobodys-bucket"))
    built = site.build("third", software_volume_own_cache=str(site.place / "second-own"))
    assert built.rc == 0, built.output
    assert re.search(r"finished packages were not pushed to build cache seed: .*NoSuchBucket", built.output), (
        built.output
    )
    assert "build cache seed was not brought up to date: " in built.output
