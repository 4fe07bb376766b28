"""A volume is built in one account, shared with another, copied to two Regions, and taken back; in a lab of its own.

usage: aws_share.py

The playbooks are played as users of both accounts would. What was shared is restored in the other account, and a copy
in its Region, to look at the content. The last line is ``found_by_tag=N found_by_description=N after_unshare=0``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aws_build import LOOK, SEED, WHEELS, Site
from ec2lab.settings import ACCOUNT, OTHER_ACCOUNT, access_key
from ec2lab.testing import Cloud
from modules import run_module
from playing import Run

HOME, REGIONS = "us-east-1", ("us-west-2", "eu-west-1")
KEY = "alias/petal"
NAME = "lab-share"
SOURCES = [{"type": "local", "priority": 1}, {"type": "organization", "priority": 2, "account": ACCOUNT}]
READS = ("Describe", "Get", "List")


class WrongError(RuntimeError):
    """Something is not as it has to be."""


@contextmanager
def as_other() -> Iterator[None]:
    """As a user of the other account."""
    mine = os.environ["AWS_ACCESS_KEY_ID"]
    os.environ["AWS_ACCESS_KEY_ID"] = access_key(OTHER_ACCOUNT)
    try:
        yield
    finally:
        os.environ["AWS_ACCESS_KEY_ID"] = mine


def make_key(directory: Path, region: str) -> None:
    """A key of this account that lets the other in for what EBS needs."""
    kms = Cloud(directory, ACCOUNT, region).session.client("kms")
    other = {"Effect": "Allow", "Resource": "*", "Principal": {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}}
    use = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:CreateGrant"]
    own = {**other, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*"}
    policy = {"Version": "2012-10-17", "Statement": [own, {**other, "Action": use}]}
    made = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]
    kms.create_alias(AliasName=KEY, TargetKeyId=made["KeyId"])


class Demo:
    """The steps, in their order, each with what it took."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for region in (HOME, *REGIONS):
            make_key(directory, region)
        settings = f"ebs_settings: {{size: 2, kms_key_id: {KEY}}}"
        self.site = Site(directory, name=NAME, seed_text=SEED.replace("ebs_settings: {size: 2}", settings))
        self.fingerprint = ""

    def step(self, title: str, playbook: str, *arguments: str, fails: str = "", **more: str) -> Run:
        """Play one, which has to end well, or (fails) with an error that says this."""
        started = time.monotonic()
        done = self.site.play(playbook, *arguments, **more)
        print(f"== {title}: {time.monotonic() - started:.0f} s", flush=True)
        if (done.rc != 0) != bool(fails) or fails not in done.output:
            raise WrongError(f"{playbook} ended with {done.rc}:\n{done.output}")
        shown = [line for line in done.output.splitlines() if "snap-" in line and not line.startswith("[")]
        print(*shown, sep="\n", flush=True)
        return done

    def look(self, region: str, sources: list[dict[str, Any]]) -> list[str]:
        """Ids of what a deploy's look-up has to choose from."""
        asked: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "os": "ubuntu2204",
            "architecture": "x86_64",
            "size_gb": 2,
            "trust": {"accounts": [one["account"] for one in sources if "account" in one]},
        }
        found = run_module("snapshot_info", provider="aws", region=region, sources=sources, **asked)
        if bool(found["snapshots"]) != bool(found["snapshot"]):
            raise WrongError(f"none is chosen: {found}")
        return [one["snapshot_id"] for one in found["snapshots"]]

    def restore(self, snapshot_id: str, account: str, region: str) -> None:
        """The volume, as an account sees it that makes one of the snapshot."""
        mine = self.site.cloud
        self.site.cloud = Cloud(self._directory, account, region)
        try:
            with self.site.restored(snapshot_id) as run:
                said = run(LOOK)
        finally:
            self.site.cloud = mine
        if said.splitlines()[-1] != self.fingerprint:
            raise WrongError(f"the manifest bears another fingerprint: {said}")
        print(f"   restored in {account}, {region}: the manifest bears the fingerprint", flush=True)

    def changes(self) -> list[str]:
        """Calls since the last clear_calls that change something."""
        return [call["action"] for call in self.site.client.calls() if not call["action"].startswith(READS)]

    def run(self) -> int:
        """All of it."""
        self.step("built in A", "build_volume")
        (made,) = self.site.snapshots()
        self.fingerprint = {tag["Key"]: tag["Value"] for tag in made["Tags"]}["petal:fingerprint"]
        snapshot_id = str(made["SnapshotId"])
        with as_other():
            if self.look(HOME, SOURCES):
                raise WrongError("B finds what nobody has shared with it")
        self.step("public: refused", "share_volume", public="true", fails="no encrypted snapshot can be public")
        self.site.client.clear_calls()
        self.step("share, check mode", "share_volume", "--check", "--diff", accounts=OTHER_ACCOUNT)
        if self.changes():
            raise WrongError(f"check mode made changes: {self.changes()}")
        self.step("shared with B", "share_volume", accounts=OTHER_ACCOUNT)
        with as_other():
            by_description = self.look(HOME, SOURCES)
            self.site.more = {"snapshot_sources": SOURCES}
            hit = self.step("build in B: a hit", "build_volume")
            self.site.more = {}
        if f"Found: {snapshot_id}" not in hit.output:
            raise WrongError(f"B did not take {snapshot_id}:\n{hit.output}")
        self.restore(snapshot_id, OTHER_ACCOUNT, HOME)
        copying = {"regions": ",".join(REGIONS), "kms_key_id": KEY}
        self.step("copied to two Regions", "copy_volume", **copying)
        by_tag = {region: self.look(region, [SOURCES[0]]) for region in REGIONS}
        self.restore(by_tag[REGIONS[0]][0], ACCOUNT, REGIONS[0])
        self.site.client.clear_calls()
        self.step("copied again", "copy_volume", **copying)
        self.step("shared again", "share_volume", accounts=OTHER_ACCOUNT)
        if self.changes():
            raise WrongError(f"the same again made changes: {self.changes()}")
        self.step("taken back", "unshare_volume")
        with as_other():
            after = self.look(HOME, SOURCES)
        leaked = self.site.leaks()
        if leaked:
            raise WrongError(f"left behind: {leaked}")
        found = sum(map(len, by_tag.values()))
        print(f"found_by_tag={found} found_by_description={len(by_description)} after_unshare={len(after)}")
        return 0 if (found, by_description, after) == (len(REGIONS), [snapshot_id], []) else 1


def main() -> int:
    """Make a lab around this very command, or run it where there is one."""
    if sys.argv[1:]:
        print(__doc__)
        return 2
    if "PETAL_LAB" in os.environ:
        with tempfile.TemporaryDirectory(prefix="petal-lab-") as directory:
            try:
                return Demo(Path(directory)).run()
            except WrongError as error:
                print(error)
                return 1
    wheels = [word for requirements in WHEELS for word in ("--wheels", requirements)]
    lab = [sys.executable, "-B", "-m", "ec2lab", "run", *wheels]
    return subprocess.run([*lab, "--", sys.executable, "-B", __file__], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
