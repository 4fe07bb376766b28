"""AWS takes a build host back while Spack builds: what was finished is in S3, and another host takes it from there."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import package_graph
import pytest
import spack_at_hand
import yaml
from playing import ROOT, why_not_mount

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

import aws_cache
from aws_build import WHEELS, Site
from ec2lab import roots
from ec2lab.settings import Delays, Settings, shares
from ec2lab.testing import inside, why_not

BUCKET = "petal-cache-lab"
#: Of the lab's graph: four packages, one after another.
SPECS = ["lab-r5"]
SLEEP = 15


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := why_not_mount() or why_not():
        pytest.skip(reason)
    mirror = spack_at_hand.mirror_dir()
    if mirror is None:
        pytest.skip(spack_at_hand.no_mirror())
    directory = tmp_path_factory.mktemp("aws")
    repository = package_graph.write(directory / "graph", sleep=SLEEP)
    seed = {
        "cluster": {"name": "cache-lab", "region": "us-east-1", "os": "ubuntu2204"},
        "compute": {"head_node": "t3.xlarge", "queues": [{"name": "compute", "instance_types": ["c5.xlarge"]}]},
        "shared_storage": [{"name": "software", "mount_dir": "/shared", "ebs_settings": {"size": 4}}],
        "software": {
            "spack_packages": SPECS,
            "binary_cache": {"s3_bucket": BUCKET, "s3_prefix": "packages"},
            "build": {"spot": True, "timeout": "1h"},
        },
    }
    more = {
        "spack_repositories": {package_graph.NAMESPACE: str(repository)},
        "spack_wait": 3,
        "spack_host_config": True,
        **aws_cache.variables(BUCKET),
        **spack_at_hand.variables(),
    }
    root = roots.root()
    settings = Settings(
        Delays(0.5, 0.2, 0.1, 0.2, 0.2, 1.0),
        root=str(root),
        wheels=str(roots.wheels([*WHEELS, str(ROOT / "roles/spack/files/python.txt")], root)),
        shares=shares([str(mirror), str(directory / "graph")]),
    )
    key = aws_cache.signing_key(directory)
    with inside(settings):
        site = Site(directory, "cache-lab", yaml.safe_dump(seed), more=more)
        aws_cache.provide(site, BUCKET, key)
        yield site


def in_bucket(site: Site) -> set[str]:
    """Names of the lab's packages in the bucket."""
    listed = site.cloud.session.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="packages/v3/manifests/spec/lab-")
    return {item["Key"].split("/")[-2] for item in listed.get("Contents", [])}


def test_another_host_goes_on_from_what_is_in_the_bucket(site: Site) -> None:
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(site.build)
        deadline = time.monotonic() + 600
        while not in_bucket(site) and time.monotonic() < deadline and not building.done():
            time.sleep(0.5)
        kept = in_bucket(site)
        assert kept and "lab-r5" not in kept, building.result().output if building.done() else kept
        (host,) = site.cloud.ec2.describe_instances()["Reservations"]
        site.client.interrupt(host["Instances"][0]["InstanceId"])
        done = building.result()
    assert done.rc == 0, done.output
    assert "to build cache seed: " in done.output
    assert re.search(r"reused       \d+ packages", done.output), done.output
    key = (site.directory / "site.key").read_text().splitlines()[3]
    assert key not in done.output
    search = ["grep", "-rlF", key, str(site.directory / "logs")]
    assert subprocess.run(search, capture_output=True, check=False).stdout == b""
    assert {kind for kind in site.leaks() if kind not in ("roles", "buckets")} == set()
    with site.restored(site.snapshots()[0]["SnapshotId"]) as run:
        packages = json.loads(run("cat /shared/.petal/manifest.json"))["packages"]
    came = {one["name"]: one["origin"] for one in packages}
    assert {came[name] for name in kept & set(came)} <= {"cache"}, (kept, came)
    assert came["lab-r5"] == "source"
    assert in_bucket(site) >= {"lab-r5"}
