"""build_ami in a lab of its own, killed at many moments, and run again.

usage: aws_image.py kill [RUNS]

Each time another image is made of one snapshot of the software, everything is killed at a moment of that, and what a
plain rerun leaves is counted: one image, whose node has the software, its snapshot and that of the software, and
nothing else. The last line is for machines.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aws_build import LOOK, WHEELS, Site
from ec2lab.testing import wait_for
from playing import play_and_kill

#: Who logs in on the image of the lab's seed.
USER = "ubuntu"
#: What a node may not have of the host that its image was made on; prints what it finds.
OWN = """set -eu
find /var/cache/petal /var/lib/apt/lists /var/cache/apt/archives -type f 2>/dev/null || :
find /root /home -name '.*_history' -o -name known_hosts
ls -d /var/lib/cloud/instances/* | sed 1d
find /var/log -type f -size +0 ! -newer /etc/ssh/ssh_host_ed25519_key
awk 'NR > 1 {print FILENAME ": " $0}' /home/*/.ssh/authorized_keys
find /shared -perm /6000 -o -type b -o -type c
"""


def images(site: Site) -> list[dict[str, Any]]:
    """All images of the account, in whatever state."""
    found: list[dict[str, Any]] = site.cloud.ec2.describe_images(Owners=["self"])["Images"]
    return found


def left(site: Site) -> dict[str, list[dict[str, Any]]]:
    """What is left beside snapshots and images."""
    return {kind: found for kind, found in site.leaks().items() if kind != "images"}


def on_node(site: Site, image_id: str, *scripts: str, snapshot_id: str = "") -> list[str]:
    """What scripts say, as root, on an instance that is launched from an image.

    snapshot_id: of a volume that is mounted at /shared there.
    """
    site.cloud.set_up()
    host = site.cloud.launch(ImageId=image_id)
    volume = ""
    try:
        if snapshot_id:
            zone = host["Placement"]["AvailabilityZone"]
            volume = site.cloud.volume(SnapshotId=snapshot_id, AvailabilityZone=zone)
            device = site.cloud.attach(volume, host)
            site.cloud.ssh(host, f"sudo mkdir -p /shared && sudo mount -o ro,noload {device} /shared", user=USER)
        return [site.cloud.ssh(host, f"sudo bash -c {shlex.quote(script)}", user=USER) for script in scripts]
    finally:
        site.cloud.terminate(host["InstanceId"])
        if volume:
            site.cloud.ec2.delete_volume(VolumeId=volume)
        site.cloud.ec2.delete_security_group(GroupId=site.cloud.group)
        site.cloud.ec2.delete_key_pair(KeyName="test")
        site.cloud.key.unlink()


def an_image(
    site: Site, name: str, fingerprint: str, more: dict[str, str] | None = None, **launch: Any
) -> dict[str, Any]:
    """An image as build_ami makes one, with its name in /srv/name. ``more``: tags. ``launch``: of RunInstances."""
    host = site.cloud.launch(**launch)
    site.cloud.ssh(host, f"sudo sh -c {shlex.quote(f'echo {name} >/srv/name')}")
    site.cloud.ec2.stop_instances(InstanceIds=[host["InstanceId"]])
    site.cloud.until(host["InstanceId"], "stopped")
    tags = {
        "petal:fingerprint": fingerprint,
        "petal:name": "lab-build",
        "petal:os": "ubuntu2204",
        "petal:build-id": "20261122T000000Z-01234567-ami",
        "parallelcluster:version": "3.16.1",
    }
    kinds = {"image": {**tags, **(more or {})}, "snapshot": {"petal:image-of": fingerprint}}
    made = site.cloud.ec2.create_image(
        InstanceId=host["InstanceId"],
        Name=name,
        Description=f"petal.hpc image lab-build {fingerprint} ParallelCluster 3.16.1",
        TagSpecifications=[
            {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in given.items()]}
            for kind, given in kinds.items()
        ],
    )["ImageId"]
    site.cloud.terminate(host["InstanceId"])

    def available() -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = site.cloud.ec2.describe_images(ImageIds=[made])["Images"]
        return [one for one in shown if one["State"] == "available"]

    found: list[dict[str, Any]] = wait_for(available)
    return found[0]


def look(site: Site) -> str:
    """What is wrong with the one image and what is beside it; empty where nothing is."""
    found = images(site)
    if [image["State"] for image in found] != ["available"]:
        return f"not one available image but {[(one['ImageId'], one['State']) for one in found]}"
    tags = {tag["Key"]: tag["Value"] for tag in found[0]["Tags"]}
    if "petal:cleanup" in tags:
        return "the image says that its build was not cleaned up"
    disks = {one["Ebs"]["SnapshotId"] for one in found[0]["BlockDeviceMappings"]}
    if len(disks) != 1 or disks | {tags["petal:from"]} != {one["SnapshotId"] for one in site.snapshots()}:
        return f"snapshots that belong to nothing: {[one['SnapshotId'] for one in site.snapshots()]}"
    try:
        software, own = on_node(site, found[0]["ImageId"], LOOK, OWN)
    except AssertionError as error:
        return f"the content is wrong: {error}"
    if software.splitlines()[-1] != tags["petal:fingerprint"]:
        return f"the manifest bears another fingerprint: {software}"
    return f"it has something of its host: {own}" if own else ""


def forget(site: Site) -> None:
    """Take all images away, and their snapshots."""
    for image in images(site):
        site.cloud.ec2.deregister_image(ImageId=image["ImageId"])
        for disk in image["BlockDeviceMappings"]:
            site.cloud.ec2.delete_snapshot(SnapshotId=disk["Ebs"]["SnapshotId"])


def kill(site: Site, runs: int) -> int:
    """SIGKILL at moments spread over the making of an image, and a plain rerun of each."""
    first = site.build()
    if first.rc != 0:
        print(first.output)
        return 1
    started = time.monotonic()
    whole_run = site.play("build_ami")
    whole = time.monotonic() - started
    wrong = look(site) if whole_run.rc == 0 else whole_run.output
    if wrong:
        print(wrong)
        return 1
    print(f"an image takes {whole:.0f} s", flush=True)
    good = leaked = 0
    for number in range(runs):
        forget(site)
        moment = whole * (number + random.random()) / runs
        play_and_kill("build_ami", moment, **site.variables())
        half = {kind: len(found) for kind, found in site.leaks().items()}
        again = site.play("build_ami")
        wrong = look(site) if again.rc == 0 else f"the rerun failed:\n{again.output[-3000:]}"
        beside = left(site)
        leaked += bool(beside)
        good += not wrong and not beside
        verdict = wrong or (
            "left behind: " + json.dumps(beside) if beside else "one image, right content, nothing left"
        )
        print(f"killed after {moment:5.1f} s ({half or 'nothing there'}): {verdict}", flush=True)
    print(f"runs={runs} good={good} leaked={leaked}")
    return 0 if good == runs else 1


def main() -> int:
    """Make a lab around this very command, or run it where there is one."""
    if sys.argv[1:2] != ["kill"]:
        print(__doc__)
        return 2
    if "PETAL_LAB" in os.environ:
        with tempfile.TemporaryDirectory(prefix="petal-lab-") as directory:
            return kill(Site(Path(directory)), int((sys.argv[2:] or ["10"])[0]))
    wheels = [word for requirements in WHEELS for word in ("--wheels", requirements)]
    lab = [sys.executable, "-B", "-m", "ec2lab", "run", *wheels]
    return subprocess.run([*lab, "--", sys.executable, "-B", __file__, *sys.argv[1:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
