"""build_volume on AWS in a lab of its own: once and again, killed at many moments, and with every fault there is.

usage: aws_build.py build | kill [RUNS] | faults [PATTERN,…] | faults --labs N [PATTERN,…]

Each command makes a lab (faults: N labs side by side, which share the faults out among them), plays the playbooks there
as a user would, restores the snapshot onto another instance to look at its content, and counts what is left in the
account. The last line of each is for machines.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ec2lab.client import Client
from ec2lab.testing import Cloud
from iam_policy import Policy, compare
from playing import ROOT, Run, play, play_and_kill

SEED = """\
cluster: {name: NAME, region: us-east-1, os: ubuntu2204}
compute: {head_node: t3.xlarge, queues: [{name: compute, instance_types: [c5.xlarge], min_count: 0, max_count: 2}]}
shared_storage: [{name: software, mount_dir: /shared, ebs_settings: {size: 2}}]
software:
  python_environments:
    - {name: small, version: "1", packages: ["six==1.17.0", "idna==3.10"]}
    - {name: small, version: "2", default: true, packages: ["packaging==25.0"]}
  build: {spot: true, timeout: 1h}
"""
#: What the seed's build needs from a package index; the lab has no other.
WHEELS = ("uv==0.13.9", "six==1.17.0", "idna==3.10", "packaging==25.0")
#: Run where the snapshot was restored: everything is there, and it works.
LOOK = """set -eu
cd /shared
test -s .petal/manifest.json -a -s .petal/seed.yaml -a -s .petal/sbom.cdx.json -a -x bin/petal-node-setup
test -s modules/Core/small/1.lua -a -s modules/Core/small/2.lua
envs/small/1/bin/python -c 'import six, idna; print(six.__version__, idna.__version__)'
envs/small/2/bin/python -c 'import packaging; print(packaging.__version__)'
(cd .petal && sha256sum --check --quiet --strict SHA256SUMS)
grep -q '"name": ".petal/manifest.json"' .petal/provenance.json
grep -o 'sha256:[0-9a-f]*' .petal/manifest.json | head -1
"""
#: Every site sets some: the lab's hosts have a package index of their own.
SETTINGS = {"python_environments_host_config": "true", "snapshots_poll_interval": "1"}


@contextmanager
def allowed_by(client: Client, *documents: str) -> Iterator[None]:
    """Raises AssertionError where a call that is made meanwhile is not allowed by these documents of docs/iam."""
    client.clear_calls()
    yield
    policy = Policy.read(*(ROOT / "docs" / "iam" / f"{name}.json" for name in documents))
    denied = compare(policy, client.calls()).denied
    assert denied == [], denied


@dataclass
class Site:
    """A controller in the lab: its seed, its account, and where its keys are."""

    directory: Path
    name: str = "lab-build"
    seed_text: str = SEED
    #: Run where a snapshot was restored; its last line is the manifest's fingerprint.
    look_script: str = LOOK
    #: Extra variables that are no texts.
    more: dict[str, Any] = field(default_factory=dict)
    region: str = "us-east-1"
    cloud: Cloud = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client()
        self.seed = self.directory / f"{self.name}.yaml"
        self.seed.write_text(self.seed_text.replace("NAME", self.name).replace("us-east-1", self.region))
        self.cloud = Cloud(self.directory, region=self.region)

    def variables(self, **more: str) -> dict[str, str]:
        """The extra variables of every playbook here."""
        keys = {"ssh_key_dir": str(self.directory / "keys"), "logs_dir": str(self.directory / "logs")}
        # The hosts of two labs have the same addresses: a connection that is kept open belongs to one of them.
        keys["ansible_control_path_dir"] = str(self.directory / "cp")
        return {"seed": str(self.seed), **keys, **SETTINGS, **more}

    def build(self, **more: str) -> Run:
        """Run build_volume to its end."""
        return self.play("build_volume", **more)

    def play(self, playbook: str, *arguments: str, **more: str) -> Run:
        """Run a playbook to its end."""
        return play(playbook, *arguments, "-e", json.dumps({**self.more, **self.variables(**more)}))

    def snapshots(self) -> list[dict[str, Any]]:
        """All snapshots of this account, in whatever state."""
        found: list[dict[str, Any]] = self.cloud.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        return found

    def leaks(self) -> dict[str, list[dict[str, Any]]]:
        """What is left in the account beside snapshots."""
        return {kind: found for kind, found in self.client.leaks().items() if kind != "snapshots"}

    def forget(self) -> None:
        """Delete the snapshots, and the tools of looking into them."""
        for snapshot in self.snapshots():
            self.cloud.ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])

    def look(self) -> str:
        """Restore the one snapshot onto another instance and read it there; what is wrong, or an empty string."""
        found = self.snapshots()
        if [snapshot["State"] for snapshot in found] != ["completed"]:
            return f"not one completed snapshot but {[(s['SnapshotId'], s['State']) for s in found]}"
        tags = {tag["Key"]: tag["Value"] for tag in found[0]["Tags"]}
        if "petal:cleanup" in tags:
            return "the snapshot says that its build was not cleaned up"
        if tags["petal:fingerprint"] not in found[0]["Description"]:
            return f"the description names no fingerprint: {found[0]['Description']}"
        with self.restored(found[0]["SnapshotId"]) as run:
            try:
                said = run(self.look_script)
            except AssertionError as error:
                return f"the content is wrong: {error}"
        if said.splitlines()[-1] != tags["petal:fingerprint"]:
            return f"the manifest bears another fingerprint: {said}"
        return ""

    @contextmanager
    def restored(self, snapshot_id: str) -> Iterator[Callable[[str], str]]:
        """An instance with a volume of the snapshot at /shared; gives what runs a script there as root."""
        bare = default_vpcs(self) == []
        if bare:
            self.cloud.ec2.create_default_vpc()
        self.cloud.set_up()
        host = self.cloud.launch()
        volume = self.cloud.volume(SnapshotId=snapshot_id, AvailabilityZone=host["Placement"]["AvailabilityZone"])
        try:
            device = self.cloud.attach(volume, host)
            self.cloud.ssh(host, f"sudo mkdir -p /shared && sudo mount -o ro,noload {device} /shared")
            yield lambda script: self.cloud.ssh(
                host, f"sudo sh -c '{script.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'"
            )
        finally:
            self.cloud.terminate(host["InstanceId"])
            self.cloud.ec2.delete_volume(VolumeId=volume)
            self.cloud.ec2.delete_security_group(GroupId=self.cloud.group)
            self.cloud.ec2.delete_key_pair(KeyName="test")
            self.cloud.key.unlink()
            if bare:
                without_default_vpc(self)


def build(site: Site) -> int:
    """One whole build and a second run."""
    started = time.monotonic()
    first = site.build()
    seconds = time.monotonic() - started
    print(first.output)
    made = site.client.calls()
    for (service, action, error), count in sorted(
        Counter((c["service"], c["action"], c["error"]) for c in made).items()
    ):
        print(f"{count:6d}  {service}:{action} {error}".rstrip())
    site.client.clear_calls()
    again = site.build()
    calls = site.client.calls()
    print(again.output)
    wrong = site.look() if first.rc == again.rc == 0 else "a build failed"
    leaked = site.leaks()
    for problem in [wrong] * bool(wrong) + [json.dumps(leaked)] * bool(leaked):
        print(problem)
    print(
        f"snapshots={len(site.snapshots())} leaked={sum(map(len, leaked.values()))} seconds={seconds:.0f} "
        f"second_run_api_calls={len(calls)}"
    )
    return 1 if wrong or leaked or len(calls) > 3 else 0


def kill(site: Site, runs: int) -> int:
    """SIGKILL at moments spread over a whole build, and a plain rerun of each."""
    started = time.monotonic()
    first = site.build()
    whole = time.monotonic() - started
    if first.rc != 0:
        print(first.output)
        return 1
    print(f"a whole build takes {whole:.0f} s", flush=True)
    good = leaked = 0
    for number in range(runs):
        site.forget()
        moment = whole * (number + random.random()) / runs
        play_and_kill("build_volume", moment, **site.variables())
        half = {kind: len(found) for kind, found in site.leaks().items()}
        again = site.build()
        wrong = site.look() if again.rc == 0 else f"the rerun failed:\n{again.output[-3000:]}"
        left = site.leaks()
        leaked += bool(left)
        good += not wrong and not left
        verdict = wrong or ("left behind: " + json.dumps(left) if left else "one snapshot, right content, nothing left")
        print(f"killed after {moment:5.1f} s ({half or 'nothing there'}): {verdict}", flush=True)
    print(f"runs={runs} good={good} leaked={leaked}")
    return 0 if good == runs else 1


Orders = tuple[tuple[str, dict[str, Any]], ...]


@dataclass(frozen=True)
class Fault:
    """A fault, and how a build must end: with a snapshot, or with an error that says ``says`` (or either of them).

    withdrawn: the host is taken back as soon as something is finished on the volume; ``then`` is ordered just before.
    expires: only ``then`` is ordered, and lasts until the build has ended; a clean-up comes before the next run.
    kept: it ends with the error and keeps its volume; run again, with ``again`` if that is given, and at last without
    faults, it ends with a snapshot. complete: it ends with the error, and its snapshot is there; run again, it clears
    up. bare: in a Region without a default VPC.
    """

    orders: Orders = ()
    says: str = ""
    either: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    withdrawn: bool = False
    then: Orders = ()
    kept: bool = False
    complete: bool = False
    expires: bool = False
    again: Orders = ()
    bare: bool = False


def order(kind: str, **values: Any) -> Orders:
    """One fault as the lab takes it."""
    return ((kind, values),)


def late(action: str, after: float = 8.0, **values: Any) -> Orders:
    """The next thing that an action makes is seen later."""
    return order("late", action=action, after=after, **values)


class Watch:
    """What is finished on the volumes of all hosts, seen through their processes while a build runs."""

    def __init__(self) -> None:
        #: For each environment the packages of each time that it was finished.
        self.finished: dict[str, dict[tuple[int, int], int]] = {}
        self.when_first: Callable[[], None] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def lost(self) -> int:
        """Packages that were finished and had to be built again."""
        return sum(sum(times.values()) - max(times.values()) for times in self.finished.values())

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            for root in self._roots():
                for marker in root.glob("shared/envs/*/*/.petal-environment.json"):
                    with contextlib.suppress(OSError, ValueError):
                        about, packages = marker.stat(), json.loads(marker.read_text())["packages"]
                        times = self.finished.setdefault("/".join(marker.parts[-3:-1]), {})
                        times[about.st_ino, about.st_mtime_ns] = len(packages)
            if self.finished and self.when_first is not None:
                act, self.when_first = self.when_first, None
                act()

    @staticmethod
    def _roots() -> list[Path]:
        """One for each mount namespace but our own: a host of the lab has its own."""
        found: dict[str, Path] = {}
        own = str(Path("/proc/self/ns/mnt").readlink())
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                found.setdefault(str((process / "ns" / "mnt").readlink()), process / "root")
        return [root for namespace, root in found.items() if namespace != own]


def default_vpcs(site: Site) -> list[Any]:
    """The default VPC of a Region, where it has one."""
    found: list[Any] = site.cloud.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    return found


def without_default_vpc(site: Site) -> None:
    """Take the default VPC of a Region away, as careful administrators do."""
    ec2 = site.cloud.ec2
    for vpc in default_vpcs(site):
        mine = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
        for subnet in ec2.describe_subnets(Filters=mine)["Subnets"]:
            ec2.delete_subnet(SubnetId=subnet["SubnetId"])
        ec2.delete_vpc(VpcId=vpc["VpcId"])


FAULTS = {
    "throttled everywhere": Fault(order("throttle", times=12)),
    "throttled launch": Fault(order("throttle", action="RunInstances", times=3)),
    "server error on CreateVolume": Fault(order("server-error", action="CreateVolume", times=3)),
    "answer to ImportKeyPair lost": Fault(order("lost-answer", action="ImportKeyPair")),
    "answer to RunInstances lost": Fault(order("lost-answer", action="RunInstances")),
    "answer to CreateVolume lost": Fault(order("lost-answer", action="CreateVolume")),
    "answer to CreateSnapshot lost": Fault(order("lost-answer", action="CreateSnapshot")),
    "no spot capacity": Fault(order("capacity", spot=True, times=50)),
    "no capacity at all": Fault(order("capacity", times=500), says="InsufficientInstanceCapacity"),
    "spot host withdrawn before it is ready": Fault(order("interrupt", after=12)),
    "spot host withdrawn while it installs": Fault(order("interrupt", after=42)),
    "both hosts withdrawn before they are ready": Fault(
        order("interrupt", after=4, times=2), says="is terminated", either=True
    ),
    "both hosts withdrawn while they install": Fault(
        order("interrupt", after=42, times=2), says="went away", either=True, kept=True
    ),
    "host never answers": Fault(order("no-ssh", times=5), says="port 22", variables={"build_host_ssh_timeout": "15"}),
    "volume stuck attaching": Fault(order("stuck-attaching", times=5), says="attach"),
    "snapshot ends in error once": Fault(order("snapshot-error")),
    "snapshot ends in error twice": Fault(order("snapshot-error", times=2), says="state error", kept=True),
    "snapshot in error at once both times": Fault(
        order("snapshot-error", times=2, after=0), says="state error", kept=True
    ),
    "not allowed to launch": Fault(
        order("error", action="RunInstances", code="UnauthorizedOperation", status=403, message="no", times=50),
        says="UnauthorizedOperation",
    ),
    "not allowed to snapshot": Fault(
        order("error", action="CreateSnapshot", code="UnauthorizedOperation", status=403, message="no", times=50),
        says="UnauthorizedOperation",
        kept=True,
    ),
    "not allowed to clear up": Fault(
        order("error", action="DeleteVolume", code="UnauthorizedOperation", status=403, message="no", times=50),
        says="is complete and can be deployed",
        complete=True,
    ),
    # What was finished is kept, whatever AWS does.
    "lost-host-replaced": Fault(withdrawn=True),
    "lost-host-no-capacity": Fault(
        withdrawn=True, then=order("capacity", times=500), says="InsufficientInstanceCapacity", kept=True
    ),
    "lost-host-no-quota-resumed-throttled": Fault(
        withdrawn=True,
        then=order("error", action="RunInstances", code="VcpuLimitExceeded", status=400, message="no", times=50),
        says="VcpuLimitExceeded",
        kept=True,
        again=order("throttle", action="RunInstances", times=500),
    ),
    "session-expires-and-a-clean-up-comes": Fault(
        expires=True,
        then=order("error", code="RequestExpired", status=400, message="Request has expired", times=10000),
        says="RequestExpired",
    ),
    "lost-host-forgotten": Fault(
        order("forgotten", times=5),
        withdrawn=True,
        then=order("capacity", times=500),
        says="InsufficientInstanceCapacity",
        kept=True,
    ),
    # AWS shows later what it has made.
    "late-snapshot-8s": Fault(late("CreateSnapshot")),
    "late-snapshot-40s": Fault(late("CreateSnapshot", 40)),
    "late-snapshot-and-its-answer-lost": Fault(
        late("CreateSnapshot", 20) + order("lost-answer", action="CreateSnapshot")
    ),
    "late-instance": Fault(late("RunInstances", 20)),
    "late-volume": Fault(late("CreateVolume", 20)),
    "late-volume-and-its-answer-lost": Fault(late("CreateVolume", 20) + order("lost-answer", action="CreateVolume")),
    "late-security-group": Fault(late("CreateSecurityGroup", 20)),
    "late-key-pair": Fault(late("ImportKeyPair", 40)),
    "late-key-pair-no-capacity": Fault(
        late("ImportKeyPair", 40) + order("capacity", times=500), says="InsufficientInstanceCapacity"
    ),
    "late-vpc": Fault(late("CreateVpc"), bare=True),
    "late-internet-gateway": Fault(late("CreateInternetGateway"), bare=True),
    "late-subnet": Fault(late("CreateSubnet"), bare=True),
    "late-route-table": Fault(late("CreateRouteTable"), bare=True),
    "late-everything": Fault(late("*", 8, times=50), bare=True),
}


def ordered(site: Site, orders: Orders) -> None:
    """Order faults."""
    for kind, values in orders:
        site.client.fault(kind, **values)


def what_is_kept(site: Site, output: str, *says: str) -> str:
    """What is wrong about a build that has ended and keeps its work; an empty string when nothing is."""
    left = {kind: found for kind, found in site.leaks().items() if kind in ("instances", "volumes", "key_pairs")}
    if {kind: len(found) for kind, found in left.items()} != {"volumes": 1, "key_pairs": 1}:
        return f"not its volume and its lock are left, but {left}"
    missing = [text for text in (*says, "Go on: ansible-playbook") if text not in output]
    return f"it does not say {missing}:\n{output}" if missing else ""


def suffer(site: Site, fault: Fault, watch: Watch) -> tuple[str, str]:
    """Build with a fault to the very end; what is wrong, or an empty string, and what is worth showing."""

    def withdraw() -> None:
        ordered(site, fault.then)
        for one in site.client.instances():
            if one["state"] == "running" and fault.withdrawn:
                site.client.interrupt(one["id"])

    ordered(site, fault.orders)
    watch.when_first = withdraw if fault.withdrawn or fault.expires else None
    done = site.build(**fault.variables)
    happened = sum(one["hits"] for one in site.client.faults()) + (fault.withdrawn and watch.when_first is None)
    site.client.clear_faults()
    shown = next((line for line in done.output.splitlines() if fault.says and fault.says in line), "a snapshot")
    if not happened:
        return "the fault did not happen", shown
    if fault.either and done.rc == 0:
        return site.look(), "a snapshot"
    if not fault.says:
        return site.look() if done.rc == 0 else f"ended with {done.rc}:\n{done.output}", shown
    if done.rc == 0 or fault.says not in done.output:
        return f"ended with {done.rc}:\n{done.output}", shown
    return gone_on(site, fault, done.output), shown


def gone_on(site: Site, fault: Fault, output: str) -> str:
    """Run again after a fault that ended a build with an error; what is wrong, or an empty string."""
    if not (fault.kept or fault.complete or fault.expires):
        return "a snapshot is left" if site.snapshots() else ""
    if fault.expires:
        cleaned = site.play("cleanup", region=site.region)
        output += cleaned.output
        if "has finished is kept until" not in cleaned.output:
            return f"the clean-up does not say that it spares anything:\n{output}"
    wrong = "" if fault.complete else what_is_kept(site, output, fault.says, *[" a day"] * fault.kept)
    if fault.again and not wrong:
        ordered(site, fault.again)
        again = site.build(**fault.variables)
        site.client.clear_faults()
        wrong = what_is_kept(site, again.output, " a day") if again.rc else "the second run met no fault"
    last = site.build()
    return wrong or (site.look() if last.rc == 0 else f"the last run ended with {last.rc}:\n{last.output}")


def fitting(patterns: Sequence[str]) -> list[str]:
    """The faults of the matrix whose names fit a pattern; all of them without one."""
    return [name for name in FAULTS if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def faults(site: Site, bare: Site, names: Sequence[str]) -> int:
    """These faults, one after another."""
    handled = leaked = lost = 0
    for name in names:
        fault = FAULTS[name]
        where, started = bare if fault.bare else site, time.monotonic()
        with Watch() as watch:
            wrong, shown = suffer(where, fault, watch)
        left = where.leaks()
        where.forget()
        handled += not wrong
        leaked += sum(map(len, left.values()))
        lost += watch.lost
        print(
            f"{name} ({time.monotonic() - started:.0f} s): {wrong or shown.strip()}; left: {left or 'nothing'}; "
            f"finished {len(watch.finished)}, lost {watch.lost}",
            flush=True,
        )
    return summary([{"faults": len(names), "handled": handled, "leaked": leaked, "lost": lost}])


def summary(counts: Sequence[dict[str, int]]) -> int:
    """Print the last line, and the status of it."""
    total = {key: sum(one[key] for one in counts) for key in ("faults", "handled", "leaked", "lost")}
    print(" ".join(f"{key}={number}" for key, number in total.items()), flush=True)
    return 0 if total["handled"] == total["faults"] and not total["leaked"] and not total["lost"] else 1


def in_labs(labs: int, names: Sequence[str]) -> int:
    """These faults shared out among several labs; a lab that dies has handled nothing."""
    parts = [part for part in (list(names[first::labs]) for first in range(labs)) if part]
    running = [subprocess.Popen(lab_command("faults", *part), stdout=subprocess.PIPE, text=True) for part in parts]
    counts = [{"faults": len(part), "handled": 0, "leaked": 0, "lost": 0} for part in parts]

    def follow(process: subprocess.Popen[str], count: dict[str, int]) -> None:
        for line in process.stdout or ():
            if line.startswith("faults="):
                count.update({key: int(number) for key, number in (pair.split("=") for pair in line.split())})
            else:
                print(line, end="", flush=True)
        process.wait()

    readers = [threading.Thread(target=follow, args=pair) for pair in zip(running, counts, strict=True)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return summary(counts)


def inside(command: str, arguments: list[str]) -> int:
    """The command in the lab that it is run in."""
    with tempfile.TemporaryDirectory(prefix="petal-lab-") as directory:
        site = Site(Path(directory))
        if command == "build":
            return build(site)
        if command == "kill":
            return kill(site, int(arguments[0]) if arguments else 20)
        bare = Site(Path(directory), name="lab-bare", region="eu-west-1")
        without_default_vpc(bare)
        return faults(site, bare, arguments)


def lab_command(*words: str) -> list[str]:
    """This command in a lab of its own, as an argument list."""
    wheels = [word for requirements in WHEELS for word in ("--wheels", requirements)]
    return [sys.executable, "-B", "-m", "ec2lab", "run", *wheels, "--", sys.executable, "-B", __file__, *words]


def main() -> int:
    """Make a lab around this very command, or run it where there is one."""
    command, *arguments = sys.argv[1:] or ["build"]
    if command not in ("build", "kill", "faults"):
        print(__doc__)
        return 2
    if "PETAL_LAB" in os.environ:
        return inside(command, arguments)
    if command == "faults":
        labs, rest = (int(arguments[1]), arguments[2:]) if arguments[:1] == ["--labs"] else (1, arguments)
        names = fitting([pattern for argument in rest for pattern in argument.split(",")])
        if not names:
            print(f"no fault fits {' '.join(rest)}; there are: {', '.join(FAULTS)}")
            return 2
        return in_labs(labs, names)
    return subprocess.run(lab_command(command, *arguments), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
