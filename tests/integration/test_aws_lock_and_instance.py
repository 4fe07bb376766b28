"""Lock and host of a build on AWS, in the EC2 lab: the modules as Ansible runs them, several controllers at once."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")

from ec2lab import roots
from ec2lab.client import Client
from ec2lab.settings import Delays, Settings
from ec2lab.testing import Cloud, inside, wait_for, why_not
from iam_policy import Policy, compare

from ansible_collections.petal.hpc.plugins.module_utils._core.tags import stamp
from ansible_collections.petal.hpc.plugins.plugin_utils.controller import process_identity

DELAYS = Delays(
    instance_pending=1.0,
    instance_stopping=0.2,
    volume_creating=0.1,
    volume_attaching=0.1,
    volume_detaching=0.1,
    snapshot_pending=0.5,
)
ROOT = Path(__file__).resolve().parents[2]
FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
NAME = "petal-0123456789abcdef"
TAGS = {"petal:fingerprint": FINGERPRINT, "petal:build-id": "b1", "petal:name": "bio"}
# A module as Ansible runs it, but for its packing; waiters look every second.
PROGRAM = """
import json, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.loads(sys.argv[2])}).encode()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.petal.hpc.plugins.module_utils._aws import instances_api
from ansible_collections.petal.hpc.plugins.modules import aws_build_instance, aws_build_lock, aws_build_resource
instances_api.DELAY = 1
modules = aws_build_instance, aws_build_lock, aws_build_resource
next(one for one in modules if one.__name__.endswith("." + sys.argv[1])).main()
"""


class Module:
    """A module that runs."""

    def __init__(self, name: str, directory: Path, check: bool, options: dict[str, Any]) -> None:
        arguments = {**options, "_ansible_remote_tmp": str(directory), "_ansible_check_mode": check}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, name, json.dumps(arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> dict[str, Any]:
        """What it returned."""
        output, errors = self.process.communicate(timeout=120)
        assert output.strip().startswith("{"), output + errors
        result: dict[str, Any] = json.loads(output)
        assert "Traceback" not in json.dumps(result), result
        return result


class Controller:
    """A controller: a process that can be killed, with its own place for keys."""

    def __init__(self, directory: Path, build_id: str = "b1", **holder: Any) -> None:
        self.process = subprocess.Popen(["sleep", "1000"])
        self.directory = directory
        self.build_id = build_id
        self.holder = {**process_identity(self.process.pid), **holder}
        self.key_file = directory / "keys" / NAME

    def start(self, *, check: bool = False, **options: Any) -> Module:
        """The lock module in the background."""
        given = {
            "fingerprint": FINGERPRINT,
            "petal_name": "bio",
            "build_id": self.build_id,
            "holder": self.holder,
            "key_file": str(self.key_file),
            "timeout": 0,
            **options,
        }
        return Module("aws_build_lock", self.directory, check, given)

    def lock(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """The lock module to its end."""
        return self.start(check=check, **options).end()

    def die(self) -> None:
        """As with SIGKILL."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    """A lab, and this process in its network and with its credentials."""
    if reason := why_not():
        pytest.skip(reason)
    with inside(Settings(DELAYS, root=str(roots.root()))) as client:
        yield client


@pytest.fixture
def cloud(lab: Client, tmp_path: Path) -> Iterator[Cloud]:
    """The account; what a test leaves fails it."""
    lab.clear_calls()
    cloud = Cloud(tmp_path)
    yield cloud
    lab.clear_faults()
    left = lab.leaks()
    for pair in left.get("key_pairs", []):  # so that no test fails for another one
        cloud.ec2.delete_key_pair(KeyPairId=pair["id"])
    assert left == {}


@pytest.fixture
def controllers(tmp_path: Path) -> Iterator[Callable[..., Controller]]:
    """Makes controllers; each has its own directory unless it is told another one's."""
    made: list[Controller] = []

    def make(build_id: str = "b1", like: Controller | None = None, **holder: Any) -> Controller:
        directory = like.directory if like else tmp_path / f"controller{len(made)}"
        directory.mkdir(exist_ok=True)
        made.append(Controller(directory, build_id, **holder))
        return made[-1]

    yield make
    for one in made:
        one.die()


Make = Callable[..., Controller]


def key_pairs(cloud: Cloud) -> list[dict[str, Any]]:
    """The key pairs that there are, with their tags."""
    found = cloud.ec2.describe_key_pairs()["KeyPairs"]
    return [{**one, "Tags": {tag["Key"]: tag["Value"] for tag in one["Tags"]}} for one in found]


def actions(lab: Client) -> Counter[str]:
    """How often each action was called."""
    return Counter(call["action"] for call in lab.calls())


class TestKeysForOtherControllers:
    """What each job of AWX is: another controller, whose directories are empty."""

    KEPT: ClassVar[dict[str, Any]] = {"key_store": {"kind": "ssm"}}
    PARAMETER = "/petal/build-keys/b1"

    @staticmethod
    def parameters(cloud: Cloud) -> list[dict[str, Any]]:
        """The parameters of builds, decrypted."""
        ssm = cloud.session.client("ssm")
        found: list[dict[str, Any]] = ssm.get_parameters_by_path(Path="/petal/build-keys", WithDecryption=True)[
            "Parameters"
        ]
        return found

    def test_the_next_one_has_the_key_and_takes_it_away(self, lab: Client, cloud: Cloud, controllers: Make) -> None:
        lab.clear_calls()
        dead = controllers()
        first = dead.lock(**self.KEPT)["lock"]
        assert first["key_store"] == "ssm"
        (kept,) = self.parameters(cloud)
        assert (kept["Name"], kept["Type"], kept["Value"]) == (
            self.PARAMETER,
            "SecureString",
            dead.key_file.read_text(),
        )
        tags = cloud.session.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=self.PARAMETER)[
            "TagList"
        ]
        assert {tag["Key"]: tag["Value"] for tag in tags} == TAGS
        dead.die()
        heir = controllers("b2")
        answer = heir.lock(**self.KEPT)
        got = answer["lock"]
        assert got.items() >= {"taken_over": True, "key_kept": True, "build_id": "b1", "key_store": "ssm"}.items()
        assert got["key_pair_id"] == first["key_pair_id"]
        assert heir.key_file.read_text() == kept["Value"]
        assert stat.S_IMODE(heir.key_file.stat().st_mode) == 0o600
        assert "PRIVATE" not in json.dumps(answer)
        # Whoever gives it back need not know that it was kept.
        assert heir.lock(state="absent", build_id="b1")["changed"]
        # What the test itself has asked stands aside.
        calls = [one for one in lab.calls() if one["action"] not in ("GetParametersByPath", "ListTagsForResource")]
        policy = Policy.read(*(ROOT / "docs" / "iam" / f"{name}.json" for name in ("builder", "builder-keys")))
        assert compare(policy, calls).denied == []
        assert self.parameters(cloud) == []

    def test_who_does_not_look_there_makes_another_one(self, cloud: Cloud, controllers: Make) -> None:
        dead = controllers()
        dead.lock(**self.KEPT)
        dead.die()
        second = controllers("b2")
        got = second.lock()["lock"]
        assert got.items() >= {"key_kept": False, "key_store": "ssm"}.items()
        second.die()
        # What is kept is not the key of the host any more, and is replaced.
        third = controllers("b3")
        assert not third.lock(**self.KEPT)["lock"]["key_kept"]
        assert [one["Value"] for one in self.parameters(cloud)] == [third.key_file.read_text()]
        third.lock(state="absent", build_id="b1")
        assert self.parameters(cloud) == []

    def test_what_aws_refuses_leaves_no_lock(self, lab: Client, cloud: Cloud, controllers: Make) -> None:
        refused: dict[str, Any] = {"code": "AccessDeniedException", "status": 400, "message": "not authorized"}
        lab.fault("error", action="PutParameter", times=50, **refused)
        ours = controllers()
        failed = ours.lock(**self.KEPT)
        assert failed["failed"]
        assert (
            "sealing the private key of the build b1 in the Parameter Store: AccessDeniedException: " in failed["msg"]
        )
        assert "Give the credentials ssm:PutParameter and ssm:AddTagsToResource" in failed["msg"]
        assert "leave build_key_store=ssm out" in failed["msg"]
        assert key_pairs(cloud) == []
        assert not ours.key_file.exists()
        lab.clear_faults()
        ours.lock()
        ours.die()
        # Where there is something of a build, it is left to whoever comes next.
        lab.fault("error", action="PutParameter", times=50, **refused)
        assert controllers("b2").lock(**self.KEPT)["failed"]
        lab.clear_faults()
        last = controllers("b3")
        assert last.lock()["lock"].items() >= {"taken_over": True, "build_id": "b1"}.items()
        last.lock(state="absent", build_id="b1")

    def test_through_session_manager_another_key_is_as_good(self, cloud: Cloud, controllers: Make) -> None:
        unneeded: dict[str, Any] = {"key_store": {"needed": False}}
        dead = controllers()
        first = dead.lock(**unneeded)["lock"]
        dead.die()
        heir = controllers("b2")
        got = heir.lock(**unneeded)["lock"]
        assert got.items() >= {"key_kept": False, "key_pair_id": first["key_pair_id"]}.items()
        heir.die()
        # But not when its time is over: its host knows the time that it had.
        (pair,) = key_pairs(cloud)
        past = [{"Key": "petal:deadline", "Value": stamp(time.time() - 10)}]
        cloud.ec2.create_tags(Resources=[pair["KeyPairId"]], Tags=past)
        third = controllers("b3")
        assert third.lock(**unneeded)["lock"]["key_pair_id"] != first["key_pair_id"]
        third.lock(state="absent", build_id="b1")


class TestLock:
    def test_taken_renewed_and_given_back(self, lab: Client, cloud: Cloud, controllers: Make) -> None:
        ours = controllers()
        taken = ours.lock(build_timeout=3600)
        assert actions(lab) == {"DescribeKeyPairs": 1, "DescribeVolumes": 1, "ImportKeyPair": 1}
        assert taken["changed"]
        assert taken["lock"].items() >= {"build_id": "b1", "taken_over": False, "key_kept": False, "name": NAME}.items()
        assert 3500 < taken["lock"]["remaining_s"] <= 3600
        (pair,) = key_pairs(cloud)
        assert pair["Tags"].items() >= TAGS.items()
        assert stat.S_IMODE(ours.key_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(ours.key_file.parent.stat().st_mode) == 0o700
        assert list(ours.key_file.parent.iterdir()) == [ours.key_file]
        lab.clear_calls()
        again = ours.lock()
        assert (again["changed"], again["lock"]["key_kept"], again["lock"]["reason"]) == (False, True, "it is ours")
        assert again["lock"]["deadline"] == taken["lock"]["deadline"]
        assert actions(lab) == {"DescribeKeyPairs": 1}
        other = controllers("b2")
        refused = other.lock(state="absent")
        assert (refused["changed"], refused["lock"]["build_id"]) == (False, "b1")
        assert other.lock(state="absent", holder=ours.holder)["lock"] is not None
        assert ours.lock(state="absent")["changed"]
        assert not ours.key_file.exists()
        assert not ours.lock(state="absent")["changed"]

    def test_check_mode(self, cloud: Cloud, controllers: Make) -> None:
        ours, other = controllers(), controllers("b2")
        free = ours.lock(check=True)
        assert (free["changed"], free["lock"]["reason"]) == (True, "it is free")
        assert key_pairs(cloud) == []
        assert not ours.key_file.parent.exists()
        ours.lock()
        held = other.lock(check=True)
        assert (held["changed"], held["lock"]["build_id"]) == (False, "b1")
        assert "is building" in held["lock"]["reason"]
        assert other.lock(check=True, state="absent", force=True)["changed"]
        assert ours.lock(check=True, state="detached")["changed"]
        assert ours.lock(state="absent")["changed"]

    def test_of_many_at_the_same_moment_one_has_it(self, cloud: Cloud, controllers: Make) -> None:
        all_of_them = [controllers(f"b{number}") for number in range(5)]
        results = [one.end() for one in [controller.start() for controller in all_of_them]]
        winners = [index for index, result in enumerate(results) if not result.get("failed")]
        assert len(winners) == 1
        assert all(result["held"] for index, result in enumerate(results) if index not in winners)
        (pair,) = key_pairs(cloud)
        assert pair["Tags"]["petal:build-id"] == f"b{winners[0]}"
        winner = all_of_them[winners[0]]
        kept = [controller.key_file.exists() for controller in all_of_them]
        assert kept == [controller is winner for controller in all_of_them]
        assert winner.lock(state="absent")["changed"]

    def test_of_many_who_take_over_one_has_it(self, cloud: Cloud, controllers: Make) -> None:
        dead = controllers()
        dead.lock()
        dead.die()
        # Some beside the dead one, with its key, others with none.
        heirs = [controllers(f"h{number}", like=dead if number % 2 else None) for number in range(5)]
        results = [one.end() for one in [controller.start() for controller in heirs]]
        winners = [index for index, result in enumerate(results) if not result.get("failed")]
        assert len(winners) == 1
        lock = results[winners[0]]["lock"]
        assert lock.items() >= {"taken_over": True, "build_id": "b1"}.items()
        assert len(key_pairs(cloud)) == 1
        winner = heirs[winners[0]]
        assert winner.lock()["lock"]["lock_id"] == lock["lock_id"]
        assert winner.lock(state="absent", build_id="b1")["changed"]

    def test_dead_on_this_host_with_the_key(self, lab: Client, cloud: Cloud, controllers: Make) -> None:
        dead = controllers()
        first = dead.lock()["lock"]
        dead.process.kill()  # nobody has waited for it yet
        heir = controllers("b2", like=dead)
        lab.clear_calls()
        got = heir.lock()["lock"]
        assert got.items() >= {"taken_over": True, "key_kept": True, "build_id": "b1"}.items()
        assert "has ended without giving it back" in got["reason"]
        assert got["lock_id"] != first["lock_id"]
        for name in ("key_pair_id", "public_key", "started", "deadline"):
            assert got[name] == first[name], name
        # The volume may say for how long it is kept.
        assert actions(lab) == {"DescribeKeyPairs": 1, "DescribeVolumes": 1, "DeleteKeyPair": 1, "ImportKeyPair": 1}
        # And once more: the key goes by its first name.
        heir.die()
        third = controllers("b3", like=dead)
        assert third.lock()["lock"].items() >= {"key_pair_id": first["key_pair_id"], "key_kept": True}.items()
        third.lock(state="absent", build_id="b1")
        assert cloud.ec2.describe_key_pairs()["KeyPairs"] == []

    def test_dead_on_this_host_without_the_key(self, cloud: Cloud, controllers: Make) -> None:
        dead = controllers()
        first = dead.lock()["lock"]
        dead.die()
        heir = controllers("b2")
        got = heir.lock()["lock"]
        assert got.items() >= {"taken_over": True, "key_kept": False, "build_id": "b1"}.items()
        assert got["key_pair_id"] != first["key_pair_id"]
        assert got["deadline"] == first["deadline"]
        assert len(key_pairs(cloud)) == 1
        # The key is lost while its holder lives.
        heir.key_file.write_text("no key")
        again = heir.lock()
        assert again["lock"].items() >= {"taken_over": False, "key_kept": False, "build_id": "b1"}.items()
        assert heir.lock()["lock"]["key_kept"]
        heir.lock(state="absent", build_id="b1")

    def test_from_another_host_after_its_time(self, cloud: Cloud, controllers: Make) -> None:
        far = controllers(host="elsewhere")
        far.lock()
        far.die()  # which cannot be seen from here
        heir = controllers("b2")
        held = heir.lock(ttl=5)
        assert held["held"]
        assert "unless it is renewed" in held["msg"]
        assert held["lock"]["build_id"] == "b1"
        got = heir.lock(ttl=5, timeout=30)["lock"]
        assert got["taken_over"]
        assert got["waited_s"] > 1
        assert "has not renewed it" in got["reason"]
        assert len(key_pairs(cloud)) == 1
        heir.lock(state="absent", build_id="b1")

    def test_waits_until_the_other_has_ended(self, cloud: Cloud, controllers: Make) -> None:
        first, second = controllers(), controllers("b2")
        first.lock()
        waiting = second.start(timeout=30)
        time.sleep(1.5)
        assert waiting.process.poll() is None
        assert first.lock(state="absent")["changed"]
        got = waiting.end()["lock"]
        assert got.items() >= {"taken_over": False, "build_id": "b2"}.items()
        assert len(key_pairs(cloud)) == 1
        second.lock(state="absent")

    def test_renewing_ends_with_its_holder(self, lab: Client, cloud: Cloud, controllers: Make) -> None:
        ours = controllers()
        ours.lock()
        before = key_pairs(cloud)[0]["Tags"]["petal:renewed"]
        renewing = ours.start(state="renewing", interval=1)
        wait_for(lambda: key_pairs(cloud)[0]["Tags"]["petal:renewed"] > before)
        lab.fault("server-error", action="CreateTags", times=1)
        lab.fault("error", action="DescribeKeyPairs", times=1, code="UnauthorizedOperation", status=403, message="no")
        time.sleep(3)
        assert renewing.process.poll() is None
        ours.die()
        ended = renewing.end()
        assert "has ended" in ended["lock"]["reason"]
        assert ended["lock"]["renewed"] >= 2
        heir = controllers("b2")
        heir.lock()
        heir.lock(state="absent", build_id="b1")

    def test_renewing_ends_when_the_lock_is_gone(self, cloud: Cloud, controllers: Make) -> None:
        ours, other = controllers(), controllers("b2")
        ours.lock()
        renewing = ours.start(state="renewing", interval=1)
        time.sleep(1.5)
        ours.lock(state="absent")
        assert renewing.end()["lock"]["reason"] == "the key pair is gone"
        ours.lock()
        renewing = ours.start(state="renewing", interval=1)
        time.sleep(1.5)
        other.lock(state="detached", build_id="b1", force=True)
        assert renewing.end()["lock"]["reason"] == "nobody holds it now"
        far = controllers(host="elsewhere").lock(state="renewing")
        assert "cannot be seen from here" in far["msg"]
        assert ours.lock(state="absent")["changed"]
        assert key_pairs(cloud) == []

    def test_detached(self, cloud: Cloud, controllers: Make) -> None:
        ours, other = controllers(), controllers("b2")
        ours.lock(build_timeout=1)
        assert "is not ours to detach" in other.lock(state="detached")["msg"]
        assert ours.lock(state="detached")["lock"]["holder"] == "detached"
        assert not ours.lock(state="detached")["changed"]
        assert key_pairs(cloud)[0]["Tags"]["petal:holder"] == "detached"
        time.sleep(1.5)
        # On this controller with its key and its deadline, though it has passed: the build may be done.
        again = ours.lock()["lock"]
        assert again.items() >= {"taken_over": True, "key_kept": True, "build_id": "b1"}.items()
        assert again["remaining_s"] < 0
        ours.lock(state="detached")
        assert other.lock()["lock"].items() >= {"taken_over": True, "key_kept": False, "build_id": "b1"}.items()
        assert other.lock(state="absent", build_id="b1")["changed"]

    def test_a_clean_up_spares_what_runs_on_its_own_and_takes_what_was_kept(
        self, cloud: Cloud, controllers: Make
    ) -> None:
        ours, other = controllers(), controllers("b2")
        ours.lock()
        ours.lock(state="detached")
        spared = other.lock(spare_detached=True, timeout=0)
        assert spared["held"], spared
        assert "runs on its own" in spared["msg"]
        assert ours.lock(state="kept", build_id="b1")["lock"]["kept"]
        assert key_pairs(cloud)[0]["Tags"]["petal:holder"] == "kept"
        assert other.lock(spare_detached=True, timeout=0)["lock"]["taken_over"]
        assert other.lock(state="absent", build_id="b1")["changed"]

    def test_one_that_died_long_ago_gets_a_new_time_and_key(self, cloud: Cloud, controllers: Make) -> None:
        dead = controllers()
        first = dead.lock(build_timeout=1)["lock"]
        dead.die()
        time.sleep(1.5)
        got = controllers("b2", like=dead)
        lock = got.lock(build_timeout=3600)["lock"]
        assert lock.items() >= {"build_id": "b1", "key_kept": False, "taken_over": True}.items()
        assert lock["key_pair_id"] != first["key_pair_id"]
        assert lock["remaining_s"] > 3500
        got.lock(state="absent", build_id="b1")
        assert key_pairs(cloud) == []

    def test_a_volume_names_the_build_whose_lock_is_gone(self, cloud: Cloud, controllers: Make) -> None:
        tags = [{"Key": key, "Value": value} for key, value in {**TAGS, "Name": NAME}.items()]
        volume = cloud.volume(Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}])
        ours = controllers("b2")
        got = ours.lock()["lock"]
        assert got.items() >= {"build_id": "b1", "taken_over": True, "key_kept": False}.items()
        assert "left its volume behind" in got["reason"]
        cloud.ec2.delete_volume(VolumeId=volume)
        ours.lock(state="absent", build_id="b1")

    def test_what_is_kept_is_spared_though_its_lock_was_lost_in_a_take_over(
        self, lab: Client, cloud: Cloud, controllers: Make
    ) -> None:
        tags = [{"Key": key, "Value": value} for key, value in {**TAGS, "Name": NAME}.items()]
        volume = cloud.volume(Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}])
        failed, next_run, clean_up = controllers(), controllers("b2"), controllers("b3")
        failed.lock()
        failed.lock(state="kept", keep_for=3600)
        lab.fault("error", action="ImportKeyPair", code="UnauthorizedOperation", status=403, message="no", times=50)
        assert "UnauthorizedOperation" in next_run.lock()["msg"]
        assert key_pairs(cloud) == []
        lab.clear_faults()
        spared = clean_up.lock(spare_kept=True, timeout=0)
        assert spared["held"], spared
        assert "has finished is kept until" in spared["msg"]
        assert spared["lock"].items() >= {"build_id": "b1", "holder": "kept"}.items()
        # Whoever goes on with it keeps it as long; whoever wants it removed may.
        assert next_run.lock()["lock"]["build_id"] == "b1"
        assert key_pairs(cloud)[0]["Tags"]["petal:keep-until"] == spared["lock"]["keep_until"]
        next_run.lock(state="absent", build_id="b1")
        assert clean_up.lock(timeout=0)["lock"]["build_id"] == "b1"
        cloud.ec2.delete_volume(VolumeId=volume)
        clean_up.lock(state="absent", build_id="b1")

    def test_a_volume_says_for_how_long_though_the_lock_does_not(self, cloud: Cloud, controllers: Make) -> None:
        """As after a controller that died, or lost its way to AWS, before it could say so on the lock."""
        until = stamp(time.time() + 3600)
        tags = [{"Key": k, "Value": v} for k, v in {**TAGS, "Name": NAME, "petal:keep-until": until}.items()]
        volume = cloud.volume(Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}])
        dead, clean_up = controllers(), controllers("b2")
        dead.lock()
        dead.die()
        spared = clean_up.lock(spare_kept=True, timeout=0)
        assert spared.items() >= {"held": True, "spared": ["kept"]}.items(), spared
        # To end its host, and to leave it again as it was.
        assert clean_up.lock(timeout=0)["lock"].items() >= {"build_id": "b1", "keep_until": until}.items()
        clean_up.lock(state="kept", build_id="b1")
        assert key_pairs(cloud)[0]["Tags"].items() >= {"petal:holder": "kept", "petal:keep-until": until}.items()
        # Who says that it is not to be kept says so on the volume, too.
        clean_up.lock(state="kept", build_id="b1", keep_for=0)
        assert clean_up.lock(spare_kept=True, timeout=0)["lock"]["taken_over"]
        cloud.ec2.delete_volume(VolumeId=volume)
        clean_up.lock(state="absent", build_id="b1")

    def test_a_lost_answer(self, lab: Client, cloud: Cloud, controllers: Make) -> None:
        lab.fault("lost-answer", action="ImportKeyPair")
        ours = controllers()
        got = ours.lock()["lock"]
        assert got["lock_id"] == key_pairs(cloud)[0]["KeyPairId"]
        assert ours.lock()["lock"].items() >= {"key_kept": True, "lock_id": got["lock_id"]}.items()
        lab.fault("lost-answer", action="DeleteKeyPair")
        assert ours.lock(state="absent")["changed"]

    def test_somebody_elses_key_pair(self, cloud: Cloud, controllers: Make) -> None:
        pair = cloud.ec2.create_key_pair(KeyName=NAME)
        ours = controllers()
        for state in ("present", "absent"):
            failed = ours.lock(state=state, force=True)
            assert "If no build needs it, delete it and run again." in failed["msg"]
        cloud.ec2.delete_key_pair(KeyPairId=pair["KeyPairId"])

    def test_what_aws_refuses_is_said(self, lab: Client, cloud: Cloud, controllers: Make) -> None:
        lab.fault("error", action="ImportKeyPair", code="UnauthorizedOperation", status=403, message="You are not.")
        failed = controllers().lock()
        assert failed["msg"] == (
            f"importing the key pair {NAME}: UnauthorizedOperation: You are not. "
            "Give the credentials the permissions of the builder's policy."
        )
        assert key_pairs(cloud) == []


class Host:
    """The instance module with what a build gives it."""

    def __init__(self, cloud: Cloud, directory: Path) -> None:
        cloud.set_up()
        self.cloud = cloud
        self.directory = directory
        self.options: dict[str, Any] = {
            "name": NAME,
            "tags": TAGS,
            "image_id": cloud.image(),
            "root_device": "/dev/xvda",
            "root_size_gb": 60,
            "instance_type": "c6a.4xlarge",
            "security_group_ids": [cloud.group],
            "key_name": "test",
            "key_pair_id": "key-1",
            "user_data": "#!/bin/sh\necho from user data >/run/user-data\n",
            "wait_timeout": 30,
        }

    def start(self, *, check: bool = False, **options: Any) -> Module:
        """In the background."""
        return Module("aws_build_instance", self.directory, check, {**self.options, **options})

    def run(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """To its end."""
        return self.start(check=check, **options).end()

    def alive(self) -> list[dict[str, Any]]:
        """Every instance that is not ended."""
        found = [one for group in self.cloud.ec2.describe_instances()["Reservations"] for one in group["Instances"]]
        return [one for one in found if one["State"]["Name"] not in ("terminated", "shutting-down")]


@pytest.fixture
def host(cloud: Cloud, lab: Client, tmp_path: Path) -> Iterator[Host]:
    """A build's host, which is not there at the beginning nor at the end."""
    host = Host(cloud, tmp_path)
    lab.clear_calls()
    yield host
    lab.clear_faults()
    assert host.run(state="absent")["instance"] is None
    assert host.alive() == []
    wait_for(lambda: "instances" not in lab.leaks())
    cloud.ec2.delete_security_group(GroupId=cloud.group)
    cloud.ec2.delete_key_pair(KeyName="test")


class TestInstance:
    def test_spot_then_on_demand_and_the_same_again(self, lab: Client, cloud: Cloud, host: Host) -> None:
        planned = host.run(check=True)
        assert (planned["changed"], planned["instance"]["launched"], host.alive()) == (True, True, [])
        lab.clear_calls()
        lab.fault("capacity", spot=True)
        began = time.monotonic()
        made = host.run()
        assert time.monotonic() - began < 20
        assert actions(lab)["RunInstances"] == 2, "botocore asked again for what is not there"
        instance = made["instance"]
        assert instance.items() >= {"spot": False, "launched": True, "reused": False, "state": "running"}.items()
        assert [one["spot"] for one in instance["attempts"]] == [True, False]
        assert "InsufficientInstanceCapacity" in instance["attempts"][0]["error"]
        (there,) = host.alive()
        assert there["MetadataOptions"]["HttpTokens"] == "required"
        tags = {tag["Key"]: tag["Value"] for tag in there["Tags"]}
        assert tags == {**TAGS, "Name": NAME, "petal:key-pair-id": "key-1"}
        root = cloud.volume_now(there["BlockDeviceMappings"][0]["Ebs"]["VolumeId"])
        assert (root["Size"], root["Encrypted"], root["VolumeType"]) == (60, True, "gp3")
        assert {"Key": "Name", "Value": f"{NAME}-root"} in root["Tags"]
        assert instance["public_ip"] == there["PublicIpAddress"]
        assert wait_for(lambda: cloud.ssh(there, "cat /run/user-data || true")) == "from user data"

        lab.clear_calls()
        again = host.run()
        assert actions(lab) == {"DescribeInstances": 1}
        assert not again["changed"]
        assert again["instance"].items() >= {"instance_id": instance["instance_id"], "reused": True}.items()

        other = host.run(key_pair_id="key-2")
        assert other["replaced"] == {instance["instance_id"]: "its private key is not here"}
        assert other["instance"]["spot"] is True
        assert [one["InstanceId"] for one in host.alive()] == [other["instance"]["instance_id"]]
        assert cloud.instance(instance["instance_id"])["State"]["Name"] == "terminated"

        assert host.run(check=True, state="absent")["changed"]
        assert host.run(state="absent", tags={"petal:build-id": "b9"})["changed"] is False
        assert len(host.alive()) == 1
        cloud.ssh(host.alive()[0], "sudo shutdown -h now || true")
        wait_for(lambda: host.alive() == [])

    def test_after_its_end_another_one(self, cloud: Cloud, host: Host) -> None:
        """The same request has the same client token, which would give the ended one back."""
        first = host.run(spot=False)["instance"]["instance_id"]
        cloud.terminate(first)
        second = host.run(spot=False)["instance"]
        assert second["launched"]
        assert second["instance_id"] != first
        assert len(host.alive()) == 1

    def test_one_that_aws_has_forgotten(self, lab: Client, cloud: Cloud, host: Host) -> None:
        """Its token cannot be used any more; and the one that is used then is the same for whoever asks."""
        lab.fault("forgotten", times=2)
        first = host.run(spot=False)["instance"]["instance_id"]
        cloud.ec2.terminate_instances(InstanceIds=[first])
        wait_for(lambda: first not in json.dumps(lab.instances()))
        lab.fault("late", action="RunInstances", after=3)
        ids = {one.end()["instance"]["instance_id"] for one in [host.start(spot=False), host.start(spot=False)]}
        assert len(ids) == 1
        assert first not in ids
        assert "IdempotentInstanceTerminated" in [one["error"] for one in lab.calls(action="RunInstances")]

    def test_one_that_is_seen_late(self, lab: Client, host: Host) -> None:
        lab.fault("late", action="RunInstances", after=4)
        made = host.run()["instance"]
        assert made["launched"]
        assert host.run()["instance"]["instance_id"] == made["instance_id"]
        assert actions(lab)["RunInstances"] == 1

    def test_a_lost_answer_and_throttling_give_one(self, lab: Client, host: Host) -> None:
        lab.fault("lost-answer", action="RunInstances")
        lab.fault("throttle", action="RunInstances", times=1, skip=1)
        made = host.run()
        assert [one["InstanceId"] for one in host.alive()] == [made["instance"]["instance_id"]]
        assert actions(lab)["RunInstances"] == 3
        assert len(made["instance"]["attempts"]) == 1

    def test_killed_after_the_launch(self, lab: Client, host: Host) -> None:
        """What the dead one launched is found, or given again for its token."""
        module = host.start()
        wait_for(lambda: actions(lab)["RunInstances"])
        module.process.kill()
        module.process.communicate()
        made = host.run()
        assert made["instance"]["reused"]
        assert len(host.alive()) == 1

    def test_two_at_once_give_one(self, host: Host) -> None:
        """They may not, without the lock; if they do, the token keeps them together."""
        ids = {one.end()["instance"]["instance_id"] for one in [host.start(), host.start()]}
        assert len(ids) == 1
        assert len(host.alive()) == 1

    def test_terminated_while_pending(self, cloud: Cloud, host: Host) -> None:
        module = host.start()
        pending = wait_for(host.alive)[0]
        cloud.ec2.terminate_instances(InstanceIds=[pending["InstanceId"]])
        failed = module.end()
        assert failed["failed"]
        assert failed["msg"].startswith(f"the host {pending['InstanceId']} ended before it ran: ")
        assert "User initiated shutdown" in failed["msg"]
        assert host.run()["instance"]["launched"]

    def test_no_capacity_at_all(self, lab: Client, host: Host) -> None:
        lab.fault("capacity", times=2)
        failed = host.run()
        assert failed["msg"].startswith("no host for the build was to be had. launching c6a.4xlarge as Spot")
        assert failed["msg"].count("InsufficientInstanceCapacity") == 2
        assert host.alive() == []

    def test_no_spot_for_this_account(self, lab: Client, cloud: Cloud, host: Host) -> None:
        subnets = [one["SubnetId"] for one in cloud.ec2.describe_subnets()["Subnets"]][:2]
        lab.fault("error", action="RunInstances", code="MaxSpotInstanceCountExceeded", status=400, message="none")
        made = host.run(subnet_ids=subnets)["instance"]
        assert [one["spot"] for one in made["attempts"]] == [True, False]

    def test_what_aws_refuses_is_said_at_once(self, lab: Client, host: Host) -> None:
        failed = host.run(instance_type="c6a.huge")
        assert failed["msg"].startswith("launching c6a.huge as Spot Instance: InvalidParameterValue: ")
        assert actions(lab)["RunInstances"] == 1

    def test_subnets_and_the_zone_of_the_volume(self, lab: Client, cloud: Cloud, host: Host) -> None:
        subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in cloud.ec2.describe_subnets()["Subnets"]}
        a, b = subnets["us-east-1a"], subnets["us-east-1b"]
        lab.fault("capacity", spot=True, times=1)
        first = host.run(subnet_ids=[a, b])["instance"]
        assert (first["subnet_id"], first["spot"]) == (b, True)
        assert first["attempts"][0]["subnet_id"] == a
        second = host.run(subnet_ids=[a, b], availability_zone="us-east-1a")
        assert "the volume in us-east-1a" in second["replaced"][first["instance_id"]]
        assert second["instance"].items() >= {"subnet_id": a, "availability_zone": "us-east-1a"}.items()
        failed = host.run(subnet_ids=[a], availability_zone="us-east-1b")
        assert "in us-east-1b, where the volume of this build is" in failed["msg"]

    def test_without_root_device_or_subnet(self, cloud: Cloud, host: Host) -> None:
        del host.options["root_device"], host.options["root_size_gb"]
        made = host.run(availability_zone="us-east-1b", spot=False)["instance"]
        assert made["availability_zone"] == "us-east-1b"
        (there,) = host.alive()
        assert there["RootDeviceName"] == "/dev/xvda"
        assert len(there["BlockDeviceMappings"]) == 1
        assert cloud.volume_now(there["BlockDeviceMappings"][0]["Ebs"]["VolumeId"])["Encrypted"]

    def test_tags_are_needed(self, host: Host) -> None:
        assert "petal:fingerprint" in host.run(tags={"petal:build-id": "b1"})["msg"]


class TestResource:
    """Volume and security group, shown seconds after they were made."""

    @pytest.mark.parametrize("after", [0, 4])
    def test_made_once(self, lab: Client, cloud: Cloud, tmp_path: Path, after: float) -> None:
        vpc = cloud.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        group = {
            "kind": "security_group",
            "filters": {"group-name": NAME, "vpc-id": vpc},
            "parameters": {"GroupName": NAME, "Description": "a build", "VpcId": vpc},
        }
        volume = {
            "kind": "volume",
            "filters": {"tag:petal:build-id": "b1"},
            "parameters": {"AvailabilityZone": "us-east-1a", "Size": 1, "Encrypted": True, "Iops": ""},
        }
        for options in (group, volume):
            lab.fault("late", action="Create*", after=after)
            # One that is gone would be given back for its token.
            given = {"tags": TAGS, "token_seed": f"b{after}", **options}
            made = Module("aws_build_resource", tmp_path, False, given).end()
            assert made["changed"], made
            again = Module("aws_build_resource", tmp_path, False, given).end()
            assert (again["changed"], again["resource_id"]) == (False, made["resource_id"])
            if options is volume:
                said = {"availability_zone": "us-east-1a", "vpc_id": "", "size_gb": 1, "snapshot_id": ""}
                assert again["resource"] == said
                cloud.ec2.delete_volume(VolumeId=made["resource_id"])
            else:
                cloud.ec2.delete_security_group(GroupId=made["resource_id"])
        assert [actions(lab)[one] for one in ("CreateSecurityGroup", "CreateVolume")] == [1, 1]
