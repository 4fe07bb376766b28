"""build_volume on AWS in a lab: what it makes, asks for and shows, with whom it shares, and how it survives.

Builds that have nothing to do with each other run side by side, each in a Region of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from aws_build import SEED, WHEELS, Site, allowed_by, without_default_vpc
from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import CONTROLLER_ADDRESS, Delays, Settings
from ec2lab.testing import inside, wait_for, why_not
from iam_policy import Policy, compare
from playing import ROOT, Run, command, environment

IAM = ROOT / "docs" / "iam"


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab with short delays."""
    if reason := why_not():
        pytest.skip(reason)
    root = roots.root()
    delays = Delays(0.3, 0.2, 0.1, 0.1, 0.1, 4.0)
    with inside(Settings(delays, root=str(root), wheels=str(roots.wheels(WHEELS, root)))) as client:
        yield client


class Started:
    """A playbook that runs, and that can be killed."""

    def __init__(self, site: Site, playbook: str = "build_volume", callbacks: str = "", **more: str) -> None:
        self._path = site.directory / f"{playbook}-{time.monotonic_ns()}.log"
        with self._path.open("w") as output:
            self._process = subprocess.Popen(
                command(playbook, "-e", json.dumps({**site.more, **site.variables(**more)})),
                cwd=ROOT,
                env=environment(**({"ANSIBLE_CALLBACKS_ENABLED": callbacks} if callbacks else {})),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Where the tests themselves run in the background of a shell, it is ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )

    def kill_when(self, what: Callable[[], Any], first: signal.Signals | None = None) -> None:
        """End it and all that it started with SIGKILL, as soon as something is true.

        :param first: is sent before, as AWX does it: ten seconds before, if it takes so long.
        """
        try:
            wait_for(lambda: what() or self._process.poll() is not None, 300, 0.5)
            assert self._process.poll() is None, f"it ended before:\n{self.end().output}"
            if first is not None:
                os.killpg(self._process.pid, first)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def so_far(self) -> str:
        """What it printed until now."""
        return self._path.read_text()

    def end(self) -> Run:
        """Wait for its end."""
        status = self._process.wait(600)
        return Run(status, self.so_far())


@dataclass
class Spy:
    """Looks at what every user of the controller could see while a build runs: arguments, and files that are open."""

    directory: Path
    arguments: set[str] = field(default_factory=set)
    #: Lines of private keys; whole files, should they be seen elsewhere.
    secrets: set[str] = field(default_factory=set)
    readable: dict[str, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Spy:
        self.secrets.add(os.environ["AWS_SECRET_ACCESS_KEY"])
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def found_in(self, text: str) -> list[str]:
        """Which of the secrets are in a text."""
        return [secret for secret in self.secrets if secret in text]

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.arguments.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            for path in [one for name in ("keys", "logs") for one in (self.directory / name).rglob("*")]:
                self._look(path)

    def _look(self, path: Path) -> None:
        try:
            mode, text = path.stat().st_mode, path.read_text(errors="replace") if path.is_file() else ""
        except OSError:
            return
        if "PRIVATE KEY" in text:
            # The first line of the body is the same in all keys.
            self.secrets |= set(text.splitlines()[2:-1])
        if mode & 0o077 and path.is_file():
            self.readable[str(path)] = text


@dataclass(frozen=True)
class Builds:
    """A build on its own, and one that two controllers began in the same second while its host was withdrawn."""

    site: Site
    spy: Spy
    first: Run
    calls: list[dict[str, Any]]
    pair: tuple[Site, Site]
    outputs: list[Run]
    passed_over: Run
    asked: Run


@pytest.fixture(scope="module")
def builds(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """All of them, side by side."""
    directory = tmp_path_factory.mktemp("one")
    site = Site(directory, more=signed_with(directory / "maker"))
    pair = (
        Site(tmp_path_factory.mktemp("left"), "pair", region="us-east-2"),
        Site(tmp_path_factory.mktemp("right"), "pair", region="us-east-2"),
    )
    without_default_vpc(pair[0])
    lab.clear_calls()
    with Spy(site.directory) as spy:
        first = Started(site)
        both = [Started(one) for one in pair]
        wait_for(lambda: any("Install the software" in one.so_far() for one in both), 300, 0.5)
        for host in pair[0].cloud.ec2.describe_instances()["Reservations"]:
            lab.interrupt(host["Instances"][0]["InstanceId"])
        passed_over = pair[0].play("cleanup", region="us-east-2")
        asked = pair[0].play("build_status")
        done = first.end()
    outputs = [one.end() for one in both]
    calls = lab.calls()
    lab.clear_calls()
    return Builds(site, spy, done, calls, pair, outputs, passed_over, asked)


def signed_with(key: Path) -> dict[str, Any]:
    """Variables of a site that signs, and takes only what is signed."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True).stdout
    return {
        "petal_signing_key": str(key),
        "petal_trusted_signers": [{"name": "software group", "key": shown.split()[1]}],
        "petal_require_signatures": True,
    }


def test_check_mode_prints_the_plan_and_changes_nothing(lab: Client, tmp_path: Path) -> None:
    site = Site(tmp_path)
    planned = site.play("build_volume", "--check")
    assert planned.rc == 0, planned.output
    assert "small/1: six==1.17.0, idna==3.10" in planned.output
    assert re.search(r"cost +at most [0-9.]+ USD for 1\.0 h", planned.output), planned.output
    assert {call["action"] for call in lab.calls() if not call["action"].startswith(("Describe", "Get"))} == set()
    assert site.leaks() == {}
    assert not (tmp_path / "keys").exists()


def test_a_seed_is_built_once_and_found_again(builds: Builds, lab: Client) -> None:
    assert builds.first.rc == 0, builds.first.output
    assert "Built: snap-" in builds.first.output
    lab.clear_calls()
    again = builds.site.build()
    assert again.rc == 0, again.output
    assert "Found: snap-" in again.output
    assert len(lab.calls()) <= 3, lab.calls()
    listed = Started(builds.site, "list_volumes").end()
    assert listed.rc == 0, listed.output
    assert re.search(r"snap-[0-9a-f]{17} .* local$", listed.output, re.MULTILINE), listed.output
    assert builds.site.look() == ""
    (snapshot,) = builds.site.snapshots()
    assert {"Key": "petal:sharing", "Value": "public"} in snapshot["Tags"]
    assert builds.site.leaks() == {}


def test_what_is_built_is_signed_and_who_has_signed_it_is_told(builds: Builds, lab: Client) -> None:
    """By a key in a file, then by one in KMS beside it; with the first one revoked the second one is enough."""
    site, kms = builds.site, builds.site.cloud.session.client("kms")
    (signer,) = site.more["petal_trusted_signers"]
    vouched = site.play("verify_volume")
    assert vouched.rc == 0, vouched.output
    assert f"trusted      yes: signed by software group ({signer['key']})" in vouched.output
    assert re.search(r"documents +sha256:[0-9a-f]{64}", vouched.output), vouched.output
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/petal-signing", TargetKeyId=key)
    with allowed_by(lab, "signer"):
        again = site.play("sign_volume", petal_signing_key="alias/petal-signing")
    assert again.rc == 0, again.output
    found = re.search(r"is signed by (SHA256:\S+)\. Sites", again.output)
    assert found, again.output
    revoked = [{**signer, "revoked": True}]
    alone = {**site.more, "petal_trusted_signers": [*revoked, {"name": "in KMS", "key": found[1]}]}
    assert "Found: snap-" in Site(site.directory, more=alone).build().output
    (snapshot,) = site.snapshots()
    other = Site(site.directory, more={**site.more, "petal_trusted_signers": revoked})
    refused = other.play("verify_volume", snapshot_id=snapshot["SnapshotId"])
    assert refused.rc != 0
    assert "The site does not trust it: the key of software group" in refused.output


def test_two_controllers_of_one_seed_make_one_snapshot_although_their_host_is_withdrawn(builds: Builds) -> None:
    texts = [run.output for run in builds.outputs]
    assert [run.rc for run in builds.outputs] == [0, 0], "\n".join(texts)
    assert sorted(word for text in texts for word in ("Built: snap-", "Found: snap-") if word in text) == [
        "Built: snap-",
        "Found: snap-",
    ], "\n".join(texts)
    assert any("went away in the middle of the build" in text for text in texts), "\n".join(texts)
    (snapshot,) = builds.pair[0].snapshots()
    assert snapshot["State"] == "completed"
    assert "petal:cleanup" not in {tag["Key"] for tag in snapshot["Tags"]}
    assert builds.pair[0].leaks() == {}


def test_the_clean_up_passes_over_a_build_that_lives(builds: Builds) -> None:
    assert builds.passed_over.rc == 0, builds.passed_over.output
    assert " is building since " in builds.passed_over.output


def test_the_status_says_that_it_is_being_built(builds: Builds) -> None:
    assert builds.asked.rc == 0, builds.asked.output
    assert "is being built" in builds.asked.output
    assert "  by        process " in builds.asked.output


@pytest.mark.parametrize(
    ("region", "documents"), [("us-east-1", ["builder", "signer"]), ("us-east-2", ["builder", "builder-vpc"])]
)
def test_the_policies_allow_what_is_called_and_no_more(builds: Builds, region: str, documents: list[str]) -> None:
    policy = Policy.read(*(IAM / f"{name}.json" for name in documents))
    findings = compare(policy, [call for call in builds.calls if call["region"] == region])
    assert findings.denied == []
    assert findings.unused == []


def test_the_host_is_open_to_this_controller_alone_and_its_disks_are_encrypted(builds: Builds) -> None:
    def of(action: str) -> list[dict[str, str]]:
        return [call["parameters"] for call in builds.calls if call["action"] == action and not call["error"]]

    opened = of("AuthorizeSecurityGroupIngress")
    cidrs = {value for each in opened for name, value in each.items() if name.endswith(("CidrIp", "CidrIpv6"))}
    ports = {value for each in opened for name, value in each.items() if name.endswith(("FromPort", "ToPort"))}
    assert (cidrs, ports) == ({f"{CONTROLLER_ADDRESS}/32"}, {"22"})
    launched = of("RunInstances")
    assert len(launched) >= 3
    for each in launched:
        assert each["MetadataOptions.HttpTokens"] == "required"
        assert {value for name, value in each.items() if name.endswith("Ebs.Encrypted")} == {"true"}
        assert each["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert {each["Encrypted"] for each in of("CreateVolume")} == {"true"}


def test_nothing_secret_is_seen_by_others(builds: Builds) -> None:
    spy = builds.spy
    assert len(spy.secrets) > 3, "the spy saw no private key"
    assert any("ansible-playbook" in text for text in spy.arguments)
    assert [text for text in spy.arguments if spy.found_in(text)] == []
    assert spy.found_in(builds.first.output) == []
    assert [path for path, text in spy.readable.items() if spy.found_in(text) or "PRIVATE KEY" in text] == []
    assert [path.stat().st_mode & 0o777 for path in [builds.site.directory / "keys"]] == [0o700]


def aside(work: Callable[[], None]) -> Future[None]:
    """Something that goes on beside this test."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


def test_what_is_killed_is_gone_on_with_or_cleaned_up(lab: Client, tmp_path: Path) -> None:
    """SIGINT as AWX sends it when a host begins, SIGKILL while it is used, then at the snapshot, and a plain rerun;
    beside it SIGKILL, and the clean-up."""
    (tmp_path / "left").mkdir()
    (tmp_path / "dead").mkdir()
    left = Site(tmp_path / "left", "killed", region="us-west-2")
    dead = Site(tmp_path / "dead", "dead", region="eu-west-1")

    def called(action: str, region: str) -> bool:
        return bool(lab.calls(action=action, region=region))

    def clean_up() -> None:
        Started(dead).kill_when(lambda: called("AttachVolume", "eu-west-1"))
        shown = dead.play("cleanup", "--check", region="eu-west-1")
        assert shown.rc == 0, shown.output
        assert all(kind in shown.output for kind in ("i-", "vol-", "sg-", "key-")), shown.output
        cleaned = dead.play("cleanup", region="eu-west-1")
        assert cleaned.rc == 0, cleaned.output
        assert ": removed" in cleaned.output
        assert dead.snapshots() == []

    lab.clear_calls()
    beside = aside(clean_up)
    cancelled = Started(left, callbacks="petal.hpc.farewell")
    cancelled.kill_when(lambda: called("RunInstances", "us-west-2"), first=signal.SIGINT)
    assert "was interrupted: what it has made in us-west-2 stays" in cancelled.so_far()
    (lock,) = left.cloud.ec2.describe_key_pairs()["KeyPairs"]
    assert {tag["Key"]: tag["Value"] for tag in lock["Tags"]}["petal:holder"] == "detached", cancelled.so_far()
    Started(left).kill_when(lambda: called("AttachVolume", "us-west-2"))
    Started(left).kill_when(lambda: called("CreateSnapshot", "us-west-2"))
    done = left.build()
    beside.result()
    assert done.rc == 0, done.output
    assert len(lab.calls(action="CreateSnapshot", region="us-west-2")) == 1
    assert left.look() == ""
    assert left.leaks() == {}


@pytest.mark.usefixtures("lab")
def test_a_host_of_another_system_builds_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """An image that is not what the seed says, and one that is not what its name says: the lab has no Arm machine."""
    other = Site(tmp_path, "other-os", region="eu-central-1")
    arm = Site(tmp_path, "arm", SEED.replace("t3.xlarge", "t4g.xlarge").replace("c5.", "c6g."), region="ap-southeast-2")
    images = other.cloud.ec2.describe_images(
        Owners=["amazon"], Filters=[{"Name": "name", "Values": ["aws-parallelcluster-*-ubuntu-2404-lts-hvm-x86_64-*"]}]
    )["Images"]
    runs = [Started(other, ami_id=images[0]["ImageId"]), Started(arm)]
    system, architecture = (run.end() for run in runs)
    assert system.rc != 0
    assert architecture.rc != 0
    cannot = r"cannot be built on i-[0-9a-f]+: its"
    assert re.search(rf"other-os {cannot} operating system is ubuntu2404, not ubuntu2204\.", system.output), (
        system.output
    )
    assert re.search(rf"arm {cannot} architecture is x86_64, not arm64\.", architecture.output), architecture.output
    for site, done in ((other, system), (arm, architecture)):
        assert "Install the software" not in done.output
        assert site.snapshots() == []
        assert site.leaks() == {}
