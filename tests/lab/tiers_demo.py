# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same two programs by every tier: on a volume, in containers, from source on the cluster, in an image, and hybrid.

usage: tiers_demo.py [DIRECTORY]

The first three are of the provider local, on a mini cluster on this machine, where an ordinary user loads the modules
in a Slurm job on a compute node. Image and hybrid are of the provider aws, in an EC2 lab with its own S3, where the
user of an instance that is launched from the image loads them; what Spack builds there comes from a build cache in S3
the second time. Spack and the sources are the real ones, as `make spack-mirror` has them. The last line is
``tiers=N ok=N same_modules=yes|no``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aws_cache
import containers_check
import image_registry
import spack_at_hand
import yaml
from aws_build import WHEELS, Site
from aws_image import images, on_node
from ec2lab import roots
from ec2lab.settings import Delays, Settings, shares
from ec2lab.testing import inside
from ec2lab.testing import why_not as no_lab
from minicluster.cluster import HEAD, USER, Cluster, ClusterError, reason_not_to, start
from playing import ROOT, Run, play

#: The programs, by their modules; Debian has packages of the same releases for the image.
MODULES = {"tree": "2.1.0", "trf": "4.09.1"}
SPECS = [f"{name}@{version}" for name, version in MODULES.items()]
#: What a user does with them; it prints the same in every tier.
LOADED = "module load {modules} && module --terse list 2>&1 | grep -E '^({names})/' | sort && {runs}".format(
    modules=" ".join(f"{name}/{version}" for name, version in MODULES.items()),
    names="|".join(MODULES),
    runs="tree --version | cut -c1-11 && trf -v 2>&1 | grep -o 'Version [0-9.]*' | head -1",
)
SAYS = "tree/2.1.0\ntrf/4.09.1\ntree v2.1.0\nVersion 4.09"
BUCKET = "petal-cache-tiers"


class DemoError(RuntimeError):
    """A step did not do what it must; the message has what was seen."""


def must(done: Run, *says: str) -> str:
    """What a playbook said that has to succeed, and to say so. Raises DemoError."""
    if done.rc != 0 or not all(text in done.output for text in says):
        raise DemoError(f"expected success and {list(says)}:\n{done.output[-6000:]}")
    return done.output


def software(**more: Any) -> dict[str, Any]:
    """The software of every tier that Spack builds; ``more`` is said otherwise."""
    return {**spack_at_hand.software(), "spack_packages": SPECS, **more}


# -- on this machine --------------------------------------------------------------------------------------------------


class Here:
    """Seeds of the provider local, their store, and a mini cluster for each tier."""

    def __init__(self, directory: Path) -> None:
        """Nothing is built yet."""
        self.directory = directory

    def seed(self, tier: str, given: dict[str, Any]) -> Path:
        """Write the seed of a tier."""
        file = self.directory / f"{tier}.yaml"
        volume = {"name": "software", "mount_dir": "/shared", "ebs_settings": {"size": 2}}
        cluster = {"name": f"tiers-{tier}", "provider": "local"}
        data = {"cluster": cluster, "tier": tier, "shared_storage": [volume], "software": given}
        file.write_text(yaml.safe_dump(data))
        return file

    def play(self, playbook: str, tier: str, *arguments: str, **more: Any) -> Run:
        """Run a playbook on the seed of a tier, in a store of its own."""
        given = {
            "software_volume_own_cache": str(self.directory / "own"),
            "verify_user": USER,
            **spack_at_hand.variables(),
            **more,
        }
        store = self.directory / f"store-{tier}"
        seed = self.directory / f"{tier}.yaml"
        return play(playbook, *arguments, "-e", json.dumps(given), seed=seed, store=store, timeout=3000)

    @contextlib.contextmanager
    def cluster(self, tier: str, of_head: Sequence[Path] = ()) -> Iterator[Cluster]:
        """A mini cluster with one compute node; ``of_head``: directories of this machine that its head has too."""
        running = start(self.directory / f"cluster-{tier}", compute=1, of_head=of_head)
        try:
            yield running
        finally:
            running.stop()

    @staticmethod
    def loaded(cluster: Cluster) -> str:
        """What a user of the cluster sees who loads the modules in a job."""
        job = f"srun --quiet --nodes=1 --chdir=/tmp bash --login -c {shlex.quote(LOADED)}"
        return cluster.run(HEAD, shlex.join(["runuser", "--login", USER, "--command", job])).strip()


def volume(here: Here) -> str:
    """Built once, snapshotted, and deployed from the snapshot."""
    here.seed("volume", software())
    must(here.play("build_volume", "volume"), "Built: ")
    with here.cluster("volume") as cluster:
        must(here.play("deploy_cluster", "volume", "-i", str(cluster.inventory)))
        return here.loaded(cluster)


def containers(here: Here) -> str:
    """An image with Debian's packages of the programs, run by Apptainer of the volume."""
    image_registry.tools()
    archive = debian_image(here.directory)
    (here.directory / "images").mkdir(exist_ok=True)
    shutil.copy2(archive, here.directory / "images/programs.tar")
    programs = [f"{name}/{version}" for name, version in MODULES.items()]
    one = {"name": "programs", "version": "1", "image": "file:images/programs.tar", "modules": programs}
    here.seed("containers", {"containers": [one]})
    more = {"containers_apptainer_directory": str(containers_check.packages())}
    must(here.play("build_volume", "containers", **more), "Built: ")
    with here.cluster("containers") as cluster:
        must(here.play("deploy_cluster", "containers", "-i", str(cluster.inventory)))
        return here.loaded(cluster)


def source(here: Here) -> str:
    """Built by the head of the cluster itself, which keeps the snapshot: the next run finds it."""
    here.seed("source", software())
    kept = [here.directory / name for name in ("own", "store-source")]
    for place in kept:
        place.mkdir(exist_ok=True)
    with here.cluster("source", [*kept, spack_at_hand.MIRROR]) as cluster:
        at = ("-i", str(cluster.inventory))
        must(here.play("deploy_cluster", "source", *at), "Built: snap-")
        must(here.play("deploy_cluster", "source", *at), "has this fingerprint already: nothing is built")
        return here.loaded(cluster)


def debian_image(directory: Path) -> Path:
    """An OCI archive with a busybox and the programs as Debian has them."""
    place = directory / "debian"
    busybox = image_registry.debian(place, "busybox-static") / "bin/busybox"
    tree = image_registry.rootfs(directory / "programs.rootfs", busybox, {})
    found = image_registry.debian(directory / "programs", "libc6", *MODULES)
    shutil.copytree(found, tree, symlinks=True, dirs_exist_ok=True)
    labels = {"org.opencontainers.image.description": "Programs of Debian"}
    return image_registry.archive(directory / "programs.tar", tree, {"PATH": "/usr/bin:/bin"}, labels)


# -- in a lab ---------------------------------------------------------------------------------------------------------


class There:
    """Seeds of the provider aws in an EC2 lab."""

    def __init__(self, directory: Path) -> None:
        """Nothing is built yet."""
        self.directory = directory

    def site(self, tier: str, given: dict[str, Any]) -> Site:
        """A controller with the seed of a tier."""
        cache = {"s3_bucket": BUCKET, "s3_prefix": "packages"}
        data = {
            "cluster": {"name": f"tiers-{tier}", "region": "us-east-1", "os": "ubuntu2204"},
            "tier": tier,
            "compute": {"head_node": "t3.xlarge", "queues": [{"name": "compute", "instance_types": ["c5.xlarge"]}]},
            "shared_storage": [{"name": "software", "mount_dir": "/shared", "ebs_settings": {"size": 4}}],
            "software": {**given, "binary_cache": cache, "build": {"timeout": "1h"}},
        }
        more = {
            "spack_host_config": True,
            **aws_cache.variables(BUCKET),
            **spack_at_hand.variables(),
        }
        place = self.directory / tier
        place.mkdir()
        return Site(place, f"tiers-{tier}", yaml.safe_dump(data), more=more)


@contextlib.contextmanager
def lab(directory: Path) -> Iterator[There]:
    """A lab with a bucket for the build cache, whose hosts may use it."""
    root = roots.root()
    settings = Settings(
        Delays(0.3, 0.2, 0.1, 0.1, 0.1, 1.0),
        root=str(root),
        wheels=str(roots.wheels([*WHEELS, str(ROOT / "roles/spack/files/python.txt")], root)),
        shares=shares([str(spack_at_hand.mirror_dir())]),
    )
    key = aws_cache.signing_key(directory)
    with inside(settings):
        there = There(directory)
        aws_cache.provide(Site(directory), BUCKET, key)
        yield there


def ami(there: There) -> str:
    """The software in the root of an image, and an instance that is launched from it."""
    site = there.site("ami", software())
    must(site.play("build_ami"), "Built: ami-")
    (image,) = images(site)
    return on_node(site, image["ImageId"], f"runuser --login ubuntu --command {shlex.quote(LOADED)}")[0].strip()


def hybrid(there: There) -> str:
    """One program in the root of an image, the other on a volume beside it, both by the modules of the volume."""
    first, second = SPECS
    site = there.site("hybrid", software(in_ami=[first], spack_packages=[second]))
    before = {image["ImageId"] for image in images(site)}
    must(site.play("build_ami"), "Built: ami-")
    must(site.build(), "Built: snap-")
    (image,) = (one for one in images(site) if one["ImageId"] not in before)
    (volume,) = (one for one in site.snapshots() if tag_of(one, "petal:name") == site.name)
    script = f"/shared/bin/petal-node-setup >/dev/null && runuser --login ubuntu --command {shlex.quote(LOADED)}"
    return on_node(site, image["ImageId"], script, snapshot_id=volume["SnapshotId"])[0].strip()


def tag_of(found: dict[str, Any], name: str) -> str:
    """The value of a tag; empty where it has none."""
    return next((str(tag["Value"]) for tag in found.get("Tags", []) if tag["Key"] == name), "")


# -- all of it --------------------------------------------------------------------------------------------------------

HERE: tuple[Callable[[Here], str], ...] = (volume, containers, source)
THERE: tuple[Callable[[There], str], ...] = (ami, hybrid)


def tried(tier: Callable[..., str], place: Any) -> str:
    """What a user saw who loaded the modules of a tier; empty where that did not work."""
    began = time.monotonic()
    try:
        said = tier(place)
    except (DemoError, ClusterError, AssertionError, subprocess.SubprocessError):
        traceback.print_exc()
        said = ""
    verdict = "ok   " if said == SAYS else "WRONG"
    print(f"{verdict} {time.monotonic() - began:6.0f} s  {tier.__name__}: {'; '.join(said.splitlines())}", flush=True)
    return said


def why_not() -> str:
    """Why this machine carries none of it, or an empty string."""
    mirror = "" if spack_at_hand.mirror_dir() else spack_at_hand.no_mirror()
    return containers_check.why_not() or reason_not_to() or no_lab() or mirror


def main(words: list[str]) -> int:
    """Each tier, and a line that counts them; 0 where all are as they must be."""
    if reason := why_not():
        print(f"tiers-demo: {reason}", file=sys.stderr)
        return 2
    asked = os.environ.get("TIERS", "").split()
    with tempfile.TemporaryDirectory(prefix="petal-tiers-", dir=words[0] if words else None) as place:
        directory = Path(place)
        directory.chmod(0o755)
        said = [tried(tier, Here(directory)) for tier in HERE if not asked or tier.__name__ in asked]
        wanted = [tier for tier in THERE if not asked or tier.__name__ in asked]
        if wanted:
            with lab(directory) as there:
                said += [tried(tier, there) for tier in wanted]
    right = said.count(SAYS)
    same = "yes" if len(set(said)) == 1 and right else "no"
    print(f"tiers={len(said)} ok={right} same_modules={same}")
    return 0 if right == len(said) and said else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
