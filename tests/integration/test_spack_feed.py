"""Each package gets to a build cache in S3 as it finishes, and the next build takes it there, on a bare host."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from modules import run_module
from playing import ROOT
from s3_server import serve
from spack_lab import Lab, fail, made_at, origins, run, wait_for, warnings

boto3 = pytest.importorskip("boto3")

BUCKET, FOREIGN = "petal-cache-packages", "somebody-elses"
SECRET = "not-in-any-file-or-log"
HOST = (ROOT / "docs" / "iam" / "host-cache.json").read_text()
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


@dataclass(frozen=True)
class Site:
    """A Spack with the permissions of a build host, and a bucket that it pushes to."""

    lab: Lab
    endpoint: str
    client: Any

    def arguments(self, name: str, *specs: str, **more: Any) -> dict[str, Any]:
        feed = {"mirror": "site", "exclude": more.pop("exclude", [])}
        given = {"cache_dir": self.lab.root / "own", "hand_on": feed, "wait_s": 300, **more}
        return self.lab.arguments(name, *specs, **given)

    def use(self, prefix: str, endpoint: str = "") -> None:
        """A host that has nothing, whose Spack has the cache below a prefix of the bucket."""
        self.take_another_host(prefix)
        url = f"s3://{BUCKET}/{prefix}"
        site = {"url": url, "endpoint_url": endpoint or self.endpoint, "source": False, "binary": True, "signed": True}
        self.lab.mirrors(site=site)

    def has(self, prefix: str) -> list[str]:
        """Names of the packages below a prefix of the bucket."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/v3/manifests/spec/").get("Contents", [])
        return sorted(item["Key"].split("/")[-2] for item in found)

    def lose_the_host(self, name: str) -> None:
        """End all that runs of an installation at once, and take away all that its host had."""
        mark = f"PETAL_SESSION={name}-".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if any(word.startswith(mark) for word in (entry / "environ").read_bytes().split(b"\0")):
                    os.kill(int(entry.name), signal.SIGKILL)
        self.take_another_host(name)

    def take_another_host(self, name: str) -> None:
        """Take away all that a host has of an installation."""
        for path in ("own", "vol", "off/misc", "off/cache"):
            shutil.rmtree(self.lab.root / path, ignore_errors=True)
        shutil.rmtree(self.lab.environment(name), ignore_errors=True)


def key_of(endpoint: str, name: str, policy: str) -> dict[str, str]:
    """How a client calls as a new user who has a policy."""
    users = boto3.client("iam", endpoint_url=endpoint, region_name="us-east-1")
    users.create_user(UserName=name)
    users.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    made = users.create_access_key(UserName=name)["AccessKey"]
    key = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    return {**key, "endpoint_url": endpoint, "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("feed")
    with pytest.MonkeyPatch.context() as patch, serve(patch, root, SECRET) as endpoint:
        host, administrator = key_of(endpoint, "host", HOST), key_of(endpoint, "administrator", EVERYTHING)
        # From here on policies count.
        reset = urllib.request.Request(f"{endpoint}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
        urllib.request.urlopen(reset).close()
        client = boto3.client("s3", **administrator)
        for bucket in (BUCKET, FOREIGN):
            client.create_bucket(Bucket=bucket)
        for lab in made_at(root / "lab"):
            settings = lab.site / "config.yaml"
            settings.write_text(settings.read_text().replace('"padded_length": 128', '"padded_length": 0'))
            keyring = lab.work_dir / "gpg"
            given = [f"{name.upper()}={value}" for name, value in host.items() if name.startswith("aws_")]
            named = f"{' '.join(given)} AWS_EC2_METADATA_DISABLED=true SPACK_GNUPGHOME={keyring} SPACK_PYTHON="
            lab.command.write_text(lab.command.read_text().replace("SPACK_PYTHON=", named))
            key = {"file": lab.root / "key", "create": True}
            run_module("spack_buildcache_keys", gnupghome=keyring, signing_key=key)
            yield Site(lab, endpoint, client)


def test_what_was_finished_is_in_s3_when_the_host_is_lost(site: Site) -> None:
    site.use("killed")
    run(**site.arguments("killed", "petal-side", "petal-endless", wait_s=0))
    wait_for(lambda: "petal-side" in site.has("killed"), 300)
    site.lose_the_host("killed")
    assert "petal-endless" not in site.has("killed")
    builds = site.lab.builds()
    planned = run(check=True, **site.arguments("killed", "petal-side"))
    assert set(origins(planned).values()) == {"cache"}
    taken = run(**site.arguments("killed", "petal-side"))
    assert set(origins(taken).values()) == {"cache"}
    assert site.lab.builds() == builds


def test_what_was_finished_is_in_s3_when_another_package_fails(site: Site) -> None:
    site.use("failed")
    told = fail(**site.arguments("failed", "petal-slow", "petal-broken", fail_fast=False))
    assert "petal-broken@1.0 did not build" in told["msg"]
    fed = told["environment"]["handed_on"]
    assert fed["failed"] == fed["left"] == 0
    assert f"{fed['pushed']} finished packages are in build cache site: the next build takes them" in told["msg"]
    assert "petal-slow" in site.has("failed")
    assert "petal-broken" not in site.has("failed")
    site.take_another_host("failed")
    builds = site.lab.builds()
    taken = run(**site.arguments("failed", "petal-slow"))
    assert set(origins(taken).values()) == {"cache"}
    assert site.lab.builds() == builds


def test_what_is_there_is_not_pushed_again_and_what_is_excluded_stays(site: Site) -> None:
    site.use("again")
    given = site.arguments("again", "petal-rooted", exclude=["petal-quick"])
    first = run(**given)["environment"]["handed_on"]
    assert site.has("again") == ["compiler-wrapper", "gcc-runtime", "petal-rooted"]
    assert (first["pushed"], first["already"], first["failed"]) == (3, 0, 0)
    assert first["line"].startswith("to build cache site: 3 packages (")
    for path in (site.lab.root / "vol", site.lab.environment("again")):
        shutil.rmtree(path)
    again = run(**given)["environment"]["handed_on"]
    assert (again["pushed"], again["already"], again["bytes"]) == (0, 3, 0)


def test_what_hands_on_and_is_killed_is_no_success(site: Site) -> None:
    site.use("cut")
    run(**site.arguments("cut", "petal-slow", wait_s=0))
    feeding = str(site.lab.environment("cut") / "feed" / "feed.py").encode()

    def killed() -> bool:
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if feeding in (entry / "cmdline").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
                    return True
        return False

    wait_for(killed, 60)
    built = run(**site.arguments("cut", "petal-slow"))
    assert built["environment"]["finished"] and built["environment"]["handed_on"]["cut"]
    (said,) = [text for text in warnings(built) if "build cache site" in text]
    assert "finished packages" in said


def test_a_cache_that_does_not_answer_is_no_failure_and_is_said(site: Site) -> None:
    site.use("nowhere", "http://127.0.0.1:9")
    built = run(**site.arguments("unanswered", "petal-slow", "petal-side"))
    assert built["environment"]["finished"]
    fed = built["environment"]["handed_on"]
    assert fed["pushed"] == 0
    assert fed["failed"] > 0
    (said,) = [text for text in warnings(built) if "build cache site" in text]
    lost = fed["failed"] + fed["left"]
    assert said.startswith(f"{lost} of {lost} finished packages were not pushed to build cache site: ")
    assert "127.0.0.1:9" in said


def test_a_bucket_that_the_host_may_not_write_is_said(site: Site) -> None:
    site.use("foreign")
    site.lab.mirrors(site={"url": f"s3://{FOREIGN}", "endpoint_url": site.endpoint, "signed": True})
    built = run(**site.arguments("foreign", "petal-quick"))
    (said,) = [text for text in warnings(built) if "build cache site" in text]
    assert said.startswith("3 of 3 finished packages were not pushed to build cache site: ")
    assert "AccessDenied" in said
