"""A Spack whose packages are built on the nodes of a mini cluster, by module spack_environment on its head."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spack_at_hand
from minicluster.cluster import HEAD, Cluster, start
from modules import run_module
from playing import ROOT, environment
from spack_lab import Lab


@dataclass(frozen=True)
class FarmLab:
    """A Spack that the head alone has, a cache that all hosts have, and a cluster.

    recipes: a directory that the head and this machine have, for everybody to read.
    """

    lab: Lab
    cluster: Cluster
    recipes: Path

    @property
    def cache(self) -> Path:
        """The host's own cache, the one directory that nodes see."""
        return self.lab.root / "own"

    def arguments(self, name: str, *specs: str, **more: Any) -> dict[str, Any]:
        """Those of the module, for a build on nodes."""
        given = {"cache_dir": self.cache, "farm": {}, "concurrency": 0, **more}
        return self.lab.arguments(name, *specs, **{"wait_s": 300, **given})

    def ask(self, **arguments: Any) -> dict[str, Any]:
        """Run the module on the head, as Ansible does there; what it returned."""
        given = json.dumps(arguments, default=str)
        program = str(Path(sys.executable).with_name("ansible"))
        command = [program, HEAD, "--inventory", str(self.cluster.inventory), "--become"]
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                [*command, "--tree", directory, "-m", "petal.hpc.spack_environment", "-a", given],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            answer = Path(directory, HEAD)
            assert answer.exists(), done.stdout + done.stderr
            found = json.loads(answer.read_text())
        assert isinstance(found, dict)
        return found

    def run(self, **arguments: Any) -> dict[str, Any]:
        """The same where it has to succeed."""
        found = self.ask(**arguments)
        # The tree has a message of what failed, and no word that it did.
        assert "msg" not in found, found["msg"]
        return found

    def fail(self, **arguments: Any) -> str:
        """The message with which it has to fail."""
        found = self.ask(**arguments)
        assert "msg" in found, found
        return str(found["msg"])

    def kept(self) -> list[str]:
        """Names of what the cache has."""
        return sorted(path.parent.name for path in self.cache.glob("packages/v3/manifests/spec/*/*.json"))

    def jobs(self) -> list[str]:
        """Names of the jobs that run or wait."""
        return self.cluster.run(HEAD, "squeue --noheader --format=%j").split()

    def left(self) -> list[str]:
        """What builds have left on the nodes, and of their own in the cache's directory."""
        nodes = [name for name in self.cluster.hosts if name != HEAD]
        found = [f"{node}: {self.cluster.run(node, 'ls /var/tmp; pgrep -l gpg-agent || :').strip()}" for node in nodes]
        secret = self.cache.glob("farm/*/*")
        return [text for text in found if not text.endswith(": ")] + [
            str(path) for path in secret if path.name != "logs"
        ]


@contextmanager
def cluster_for(lab: Lab, compute: int) -> Iterator[FarmLab]:
    """A cluster of so many nodes that builds for a lab, for a while."""
    keyring, cache = lab.work_dir / "gpg", lab.root / "own"
    settings = lab.site / "config.yaml"
    settings.write_text(settings.read_text().replace('"padded_length": 128', '"padded_length": 0'))
    # The hosts have the Python of their system.
    text = lab.command.read_text().replace(f"SPACK_PYTHON={sys.executable}", "SPACK_PYTHON=/usr/bin/python3")
    lab.command.write_text(text.replace("SPACK_PYTHON=", f"SPACK_GNUPGHOME={keyring} SPACK_PYTHON=", 1))
    run_module("spack_buildcache_keys", gnupghome=keyring, signing_key={"file": lab.root / "key", "create": True})
    cache.mkdir()
    mirror = spack_at_hand.mirror_dir()
    assert mirror is not None
    # Its sockets have paths of at most 108 characters, and those of tests are long.
    directory = Path(tempfile.mkdtemp(prefix="petal-farm-"))
    recipes = Path(tempfile.mkdtemp(prefix="petal-recipes-"))
    recipes.chmod(0o755)
    cluster = start(directory, compute=compute, shared=[cache], of_head=[lab.root, mirror, recipes])
    try:
        yield FarmLab(lab, cluster, recipes)
    finally:
        cluster.stop()
        for path in (directory, recipes):
            shutil.rmtree(path, ignore_errors=True)
