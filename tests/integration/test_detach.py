"""Builds that are left to themselves: build_volume -e detach=true, and build_status, which asks and finishes them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import package_graph
import pytest
import spack_at_hand
import yaml
from playing import ROOT, Run, command, environment, leftovers, loop_devices, mounts, play, why_not_mount

if TYPE_CHECKING:
    from aws_build import Site

SOFTWARE = {"spack_packages": ["lab-r4 ^lab-mpi", "lab-r6"]}
#: Seconds that each of the packages takes at least, so that there is something to ask.
SLEEP = 6
LOOK = """set -eu
cd /shared
test -s .petal/sbom.cdx.json -a -s .petal/spack.lock
bash -lc '. etc/profile.d/petal.sh; module load lab-mpi/1.0 lab-r4/1.0; mpiexec -n 1 lab-r4'
sed -n 's/^    "fingerprint": "\\(.*\\)",*$/\\1/p' .petal/manifest.json
"""


@pytest.fixture(scope="module")
def mirror() -> Path:
    """The mirror directory that serves Spack. Skips where there is none, or no root."""
    if reason := why_not_mount():
        pytest.skip(reason)
    found = spack_at_hand.mirror_dir()
    if found is None:
        pytest.skip(spack_at_hand.no_mirror())
    return found


def told(run: Callable[..., Run]) -> Callable[..., Run]:
    """The same, with how long it took, for whoever looks at a test that failed."""

    def wrapped(playbook: str, **more: str) -> Run:
        began = time.monotonic()
        done = run(playbook, **more)
        print(f"{playbook} {more}: {time.monotonic() - began:.0f} s\n{done.output}")
        return done

    return wrapped


def left_to_itself(run: Callable[..., Run]) -> None:
    """Detach, ask, ask again until the end; ``run`` plays a playbook of one seed."""
    absent = run("build_status")
    assert absent.rc == 0, absent.output
    assert "no build runs" in absent.output
    left = run("build_volume", detach="true")
    assert left.rc == 0, left.output
    assert "runs on its own" in left.output
    assert "Built: " not in left.output
    asked = run("build_status")
    assert asked.rc == 0, asked.output
    assert "the install runs on its own" in asked.output, asked.output
    # It is the build's own, and not that of whoever asks.
    begun = re.search(r"runs on its own \((\S+)\)", left.output)
    assert begun is not None, left.output
    assert f"  build     {begun[1]}" in asked.output, (left.output, asked.output)
    assert re.search(r"packages  \d+ of \d+", asked.output), asked.output
    assert "Built: " not in asked.output
    assert "  log  " not in asked.output
    assert "lab-mpi@1.0" in log_of(run), "the log of a build that runs"
    finished = run("build_status", watch="true")
    assert finished.rc == 0, finished.output
    assert "Built: snap-" in finished.output, finished.output
    again = run("build_status")
    assert again.rc == 0, again.output
    assert "built, snap-" in again.output
    assert "lab-r4@1.0" in log_of(run), "the log of a build that has succeeded"


def log_of(run: Callable[..., Run]) -> str:
    """The text of the log that build_status shows the end of, where it says that it is."""
    shown = run("build_status", log="true")
    assert shown.rc == 0, shown.output
    files = re.findall(r"(?m)  log       (/\S+)", shown.output)
    assert files, shown.output
    text = Path(files[0]).read_text()
    assert text.strip(), files[0]
    return text


def left_to_itself_anew(run: Callable[..., Run]) -> None:
    """The same where there is a snapshot already: it is not what was built."""
    left = run("build_volume", detach="true", force="true")
    assert left.rc == 0, left.output
    assert "runs on its own" in left.output
    assert "Built: " not in left.output
    go_on = re.search(r"ansible-playbook petal.hpc.build_status (.*) \[-e watch=true\]", left.output)
    assert go_on is not None, left.output
    assert go_on[1].endswith(" -e force=true")
    finished = run("build_status", watch="true", force="true")
    assert finished.rc == 0, finished.output
    assert "Built: snap-" in finished.output, finished.output


@pytest.fixture
def store(mirror: Path, tmp_path: Path) -> Iterator[Path]:
    """A store of its own."""
    assert mirror.is_dir()
    yield tmp_path / "store"
    assert [line for line in mounts() | loop_devices() if str(tmp_path) in line] == []


def variables_of(tmp_path: Path, software: dict[str, Any]) -> dict[str, Any]:
    """How a seed with this software is built on this host."""
    seed = {
        "cluster": {"name": "detach-test", "provider": "local"},
        "shared_storage": [{"name": "software", "mount_dir": "/petal-detach-test", "ebs_settings": {"size": 4}}],
        "software": software,
    }
    (tmp_path / "seed.yaml").write_text(yaml.safe_dump(seed))
    return {
        "seed": str(tmp_path / "seed.yaml"),
        "spack_repositories": {package_graph.NAMESPACE: str(package_graph.write(tmp_path / "graph", sleep=SLEEP))},
        "spack_wait": 3,
        "software_volume_own_cache": str(tmp_path / "own"),
        "logs_dir": str(tmp_path / "logs"),
        **spack_at_hand.variables(),
    }


def test_a_build_on_this_host_goes_on_without_its_controller(store: Path, tmp_path: Path) -> None:
    variables = {**variables_of(tmp_path, SOFTWARE), "store": str(store)}

    def run(playbook: str, **more: str) -> Run:
        return play(playbook, "-e", json.dumps({**variables, **more}))

    left_to_itself(told(run))
    assert len(list(store.glob("snapshots/snap-*"))) == 1
    assert leftovers(store) == []
    left_to_itself_anew(told(run))
    assert len(list(store.glob("snapshots/snap-*"))) == 2
    assert leftovers(store) == []


def test_two_stores_of_one_host_build_the_same_at_once(store: Path, tmp_path: Path) -> None:
    """What the one has begun goes on below the other, is asked apart from it, and both are whole."""
    variables = variables_of(tmp_path, {"spack_packages": ["lab-r6"]})
    stores = [store, tmp_path / "another"]

    def run(playbook: str, **more: str) -> Run:
        return play(playbook, "-e", json.dumps({**variables, **more}))

    begun = []
    for one in stores:
        left = told(run)("build_volume", store=str(one), detach="true")
        assert left.rc == 0, left.output
        found = re.search(r"runs on its own \((\S+)\)", left.output)
        assert found is not None, left.output
        begun.append(found[1])
    for one, build_id in zip(stores, begun, strict=True):
        asked = run("build_status", store=str(one)).output
        assert f"  build     {build_id}" in asked, (begun, asked)
        assert re.search(r"packages  \d+ of \d+", asked), asked
    for one in stores:
        # Whoever asks after the end has finished it.
        built = told(run)("build_status", store=str(one), watch="true")
        assert built.rc == 0, built.output
        assert re.search(r"Built: snap-|built, snap-", built.output)
        assert len(list(one.glob("snapshots/snap-*"))) == 1
        assert leftovers(one) == []


@pytest.fixture(scope="module")
def site(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A lab whose instances see the mirror and the recipes, and a controller in it."""
    pytest.importorskip("moto.server", reason="the lab's API is moto, which is not in this environment")
    from aws_build import WHEELS, Site
    from ec2lab import roots
    from ec2lab.settings import Delays, Settings, shares
    from ec2lab.testing import inside, why_not

    if reason := why_not():
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("aws")
    repository = package_graph.write(directory / "graph", sleep=SLEEP)
    seed = {
        "cluster": {"name": "detach-lab", "region": "us-east-1", "os": "ubuntu2204"},
        "compute": {"head_node": "t3.xlarge", "queues": [{"name": "compute", "instance_types": ["c5.xlarge"]}]},
        "shared_storage": [{"name": "software", "mount_dir": "/shared", "ebs_settings": {"size": 4}}],
        "software": {**SOFTWARE, "build": {"spot": True, "timeout": "1h"}},
    }
    more = {
        "spack_repositories": {package_graph.NAMESPACE: str(repository)},
        "spack_wait": 3,
        "spack_host_config": True,
        **spack_at_hand.variables(),
    }
    root = roots.root()
    settings = Settings(
        Delays(0.5, 0.2, 0.1, 0.2, 0.2, 1.0),
        root=str(root),
        wheels=str(roots.wheels([*WHEELS, str(ROOT / "roles/spack/files/python.txt")], root)),
        shares=shares([str(mirror), str(directory / "graph")]),
    )
    with inside(settings):
        yield Site(directory, "detach-lab", yaml.safe_dump(seed), LOOK, more)


def test_a_build_on_aws_goes_on_without_its_controller(site: Site) -> None:
    def run(playbook: str, **more: str) -> Run:
        done = told(site.play)(playbook, **more)
        if "detach" in more:
            # A clean-up from anywhere spares its host, then.
            assert [one["tags"]["petal:holder"] for one in site.leaks()["key_pairs"]] == ["detached"]
        return done

    left_to_itself(run)
    assert site.look() == ""
    assert site.leaks() == {}


class Controllers:
    """As many controllers as are asked for, each with an empty home of its own; all of them build one seed."""

    def __init__(self, site: Site, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.directory = directory
        self.monkeypatch = monkeypatch
        self.made = 0
        self.output = ""

    def another(self) -> Site:
        """One that has never seen a build; what runs from here on runs there."""
        self.made += 1
        home = self.directory / f"home{self.made}"
        home.mkdir()
        self.monkeypatch.setenv("HOME", str(home))
        self.monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        return type(self.site)(home, self.site.name, self.site.seed_text, LOOK, self.site.more)

    def play(self, playbook: str, **more: str) -> Run:
        """Run a playbook on a new controller."""
        done = told(lambda name, **rest: self.another().play(name, **rest))(playbook, **more)
        self.output += done.output
        return done

    def launched(self) -> int:
        """Hosts that were asked for."""
        return len(self.site.client.calls(action="RunInstances"))


@pytest.fixture
def controllers(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controllers:
    """Each run is another controller, as a job of AWX is."""
    site.forget()
    site.client.clear_calls()
    return Controllers(site, tmp_path, monkeypatch)


def test_another_controller_finishes_a_build_with_the_key_that_is_kept(controllers: Controllers) -> None:
    from aws_build import allowed_by

    site, kept = controllers.site, {"build_key_store": "ssm"}
    with allowed_by(site.client, "builder", "builder-keys"):
        left = controllers.play("build_volume", detach="true", **kept)
        assert left.rc == 0
        (parameter,) = site.leaks()["build_keys"]
        asked = controllers.play("build_status", **kept)
        assert asked.rc == 0
        assert "the install runs on its own" in asked.output
        assert re.search(r"packages  \d+ of \d+", asked.output), asked.output
        # Whoever does not look there is told where it is, and takes the host away from nothing.
        blind = controllers.play("build_status")
        assert blind.rc == 0
        assert "a build was begun and may install, on a host whose private key is on another controller" in blind.output
        assert "give -e build_key_store=ssm, where its key is kept" in blind.output
        watched = controllers.play("build_status", watch="true")
        assert watched.rc != 0
        assert "is not on this controller, so it was left alone" in " ".join(watched.output.split())
        finished = controllers.play("build_status", watch="true", **kept)
        assert finished.rc == 0
        assert "Built: snap-" in finished.output
        assert controllers.launched() == 1
    assert site.look() == ""
    assert site.leaks() == {}
    assert parameter["id"].startswith("/petal/build-keys/")
    assert "PRIVATE KEY" not in controllers.output


def test_another_controller_goes_on_with_what_a_killed_one_has_begun(controllers: Controllers, tmp_path: Path) -> None:
    from ec2lab.testing import wait_for

    site = controllers.site
    first = controllers.another()
    log = tmp_path / "killed.log"
    variables = {**first.more, **first.variables(build_key_store="ssm")}
    with log.open("w") as stream:
        argv = [*command("build_volume"), "-e", json.dumps(variables)]
        killed = subprocess.Popen(
            argv, cwd=ROOT, env=environment(), stdout=stream, stderr=stream, start_new_session=True
        )
        # Spack installs on the host, and goes on there.
        installs = re.compile(r"(?m)^\[ *\d+%\] .*lab-\w+@")
        wait_for(lambda: installs.search(log.read_text()) or killed.poll() is not None, 600)
        os.killpg(killed.pid, signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL, log.read_text()
    done = controllers.play("build_volume", build_key_store="ssm")
    assert done.rc == 0
    assert "Built: snap-" in done.output
    assert controllers.launched() == 1
    assert site.look() == ""
    assert site.leaks() == {}


def test_without_its_key_a_build_is_taken_from_its_host_by_who_says_so_alone(controllers: Controllers) -> None:
    site = controllers.site
    left = controllers.play("build_volume", detach="true")
    assert left.rc == 0
    watched = controllers.play("build_status", watch="true")
    assert watched.rc != 0
    refused = " ".join(watched.output.split())
    assert "run build_status on the controller that went on with it last, or with its ssh_key_dir" in refused
    assert "which loses what is half done: ansible-playbook petal.hpc.build_volume -e seed=" in refused
    assert controllers.launched() == 1
    done = controllers.play("build_volume")
    assert done.rc == 0
    assert "was ended: its private key is not here." in " ".join(done.output.split())
    assert controllers.launched() == 2
    assert site.look() == ""
    assert site.leaks() == {}


def test_another_controller_finishes_a_build_through_session_manager(controllers: Controllers) -> None:
    import boto3

    site, name = controllers.site, "petal-ssm-detach"
    iam = boto3.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    boto3.client("s3").create_bucket(Bucket=name)
    ssm = {"build_connection": "ssm", "ssm_bucket": name, "iam_instance_profile": name}
    left = controllers.play("build_volume", detach="true", **ssm)
    assert left.rc == 0
    asked = controllers.play("build_status", **ssm)
    assert re.search(r"packages  \d+ of \d+", asked.output), asked.output[-3000:]
    finished = controllers.play("build_status", watch="true", **ssm)
    assert finished.rc == 0
    assert "Built: snap-" in finished.output
    assert controllers.launched() == 1
    assert site.look() == ""
    assert {kind for kind in site.leaks() if kind not in ("roles", "buckets")} == set()
    boto3.client("s3").delete_bucket(Bucket=name)
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
    iam.delete_instance_profile(InstanceProfileName=name)
    iam.delete_role(RoleName=name)


def test_an_image_is_made_of_what_was_left_to_itself(site: Site) -> None:
    from aws_image import forget, images, left

    site.forget()
    site.client.clear_calls()
    begun = told(site.play)("build_ami", detach="true")
    assert begun.rc == 0, begun.output
    assert "runs on its own" in begun.output
    assert "which there is not yet: the installation runs on its own" in " ".join(begun.output.split())
    assert not site.client.calls(action="CreateImage")
    both = site.play("build_ami", detach="true", watch="true")
    assert both.rc != 0
    assert "give one of them" in " ".join(both.output.split())
    done = told(site.play)("build_ami", watch="true")
    assert done.rc == 0, done.output
    assert "Built: ami-" in done.output, done.output
    # The installation was watched, and not begun again: one host for it, and one for the image.
    assert len(site.client.calls(action="RunInstances")) == 2
    (image,) = images(site)
    (snapshot,) = (one for one in site.snapshots() if "petal:fingerprint" in {tag["Key"] for tag in one["Tags"]})
    assert {tag["Key"]: tag["Value"] for tag in image["Tags"]}["petal:from"] == snapshot["SnapshotId"]
    assert left(site) == {}
    forget(site)
    site.forget()


def test_a_build_on_aws_with_spack_packages(site: Site) -> None:
    site.forget()
    done = told(site.play)("build_volume")
    assert done.rc == 0, done.output
    assert site.look() == ""
    assert site.leaks() == {}


def test_a_volume_on_aws_begins_with_the_nearest_snapshot(site: Site) -> None:
    (first,) = site.snapshots()
    specs = [*SOFTWARE["spack_packages"], "lab-r8"]
    seed = {**yaml.safe_load(site.seed_text), "cluster": {"name": "more", "region": "us-east-1", "os": "ubuntu2204"}}
    seed["software"] = {**seed["software"], "spack_packages": specs}
    look = LOOK.replace("\nsed", '\ngrep -q \'"origin": "base"\' .petal/manifest.json\nsed')
    other = type(site)(site.directory, "more", yaml.safe_dump(seed), look, site.more)
    site.client.clear_calls()
    planned = told(lambda playbook, **more: other.play(playbook, "--check", **more))("build_volume")
    assert f"begins      with {first['SnapshotId']}: 2 of the 2 specs" in planned.output
    done = told(other.play)("build_volume")
    assert done.rc == 0, done.output
    assert f"The volume begins with {first['SnapshotId']}:" in done.output
    assert "begins with nothing" not in done.output
    made = [call for call in site.client.calls() if call["action"] == "CreateVolume"]
    assert [call["parameters"].get("SnapshotId") for call in made] == [first["SnapshotId"]]
    assert re.search(r"brought \d+ packages of Spack; 0 of them", done.output), done.output
    assert other.leaks() == {}
    # What it began with may go.
    site.cloud.ec2.delete_snapshot(SnapshotId=first["SnapshotId"])
    assert other.look() == ""
    gone = other.play("build_volume", force="true", base=first["SnapshotId"])
    assert gone.rc != 0
    assert f"a volume cannot begin with {first['SnapshotId']}: it is not in the own account in us-east-1" in gone.output
    assert other.leaks() == {}
