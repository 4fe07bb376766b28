"""The main job, with the playbooks that users run: build, find again, deploy, verify, list, delete."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kill_build import EXPECTED, SEED, content_is_right
from kill_build import main as kill_build
from modules import run_module
from playing import ROOT, command, environment, leftovers, play

from ansible_collections.petal.hpc.plugins.plugin_utils.controller import start_time


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """Two versions of a small environment, on the local provider."""
    path = tmp_path / "seed file.yaml"  # with a space, as users have them
    path.write_text(SEED)
    return path


@pytest.fixture
def mount_seed(tmp_path: Path) -> Path:
    """The same, mounted where nothing else on this machine is."""
    path = tmp_path / "seed.yaml"
    path.write_text(SEED.replace("/shared", "/petal-test"))
    return path


def test_a_seed_is_built_once_and_found_again(store: Path, seed: Path) -> None:
    built = play("build_volume", seed=seed, store=store)
    assert built.rc == 0, built.output
    assert "Built: snap-" in built.output
    assert content_is_right(store) == ""
    found = play("build_volume", seed=seed, store=store)
    assert found.rc == 0, found.output
    assert "Found: snap-" in found.output
    assert "Install" not in found.output
    assert leftovers(store) == []
    listed = play("list_volumes", store=store)
    assert re.search(r"snap-[0-9a-f]{17}\s+kill-test", listed.output), listed.output
    forced = play("build_volume", seed=seed, store=store, force="true")
    assert forced.rc == 0, forced.output
    assert len(list(store.glob("snapshots/snap-*"))) == 2
    deleted = play("delete_volume", seed=seed, store=store)
    assert deleted.rc == 0, deleted.output
    assert list(store.glob("snapshots/*")) == []


@pytest.mark.parametrize("more", [{}, {"force": "true"}], ids=["", "force"])
def test_two_builds_of_one_seed_at_once_end_in_one_snapshot(store: Path, seed: Path, more: dict[str, str]) -> None:
    """With force as well: what another one has made meanwhile is new enough."""
    builds = [
        subprocess.Popen(
            command("build_volume", seed=seed, store=store, **more),
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _number in range(2)
    ]
    while not list(store.glob("volumes/build-*.img")):
        assert all(build.poll() is None for build in builds)
        time.sleep(0.2)
    asked = play("build_status", seed=seed, store=store)
    assert asked.rc == 0, asked.output
    assert "is being built" in asked.output
    assert any(f"by        process {build.pid} on " in asked.output for build in builds), asked.output
    outputs = [build.communicate(timeout=600)[0] for build in builds]
    assert [build.returncode for build in builds] == [0, 0], "\n".join(outputs)
    assert sorted(word in output for output in outputs for word in ("Built: ", "Found: ")) == [False, False, True, True]
    assert content_is_right(store) == ""
    assert leftovers(store) == []


TAKEN_FOR_DEAD = """\
- hosts: localhost
  gather_facts: false
  vars:
    fingerprint: "sha256:5555555555555555555555555555555555555555555555555555555555555555"
    volume_build_store: "{{ store }}"
  tasks:
    - name: Ask who plays
      petal.hpc.controller_info:
      register: me
    - name: Build, as another process that lives
      petal.hpc.build_lock:
        store: "{{ store }}"
        fingerprint: "{{ fingerprint }}"
        build_id: b1
        holder: "{{ me.controller | combine({'pid': pid | int, 'start_time': start_time}) }}"
    - name: Make its volume
      petal.hpc.local_volume: {store: "{{ store }}", name: build-55555555555555555555, size_gb: 1}
    - name: Fail
      block:
        - name: Fail
          fail: {msg: something went wrong}
      rescue:
        - name: Clean up after the failure
          include_role: {name: petal.hpc.volume_build, tasks_from: abort}
          vars:
            snapshots_plan:
              {provider: local, name: left, fingerprint: "{{ fingerprint }}", volume: build-55555555555555555555,
               build_id: b1, controller: "{{ me.controller }}"}
"""


def test_a_controller_that_was_taken_for_dead_leaves_the_volume_to_who_builds(store: Path, tmp_path: Path) -> None:
    book, mine = tmp_path / "book.yml", Path("/proc/self/stat").read_text()
    book.write_text(TAKEN_FOR_DEAD)
    failed = play(str(book), store=store, pid=str(os.getpid()), start_time=str(start_time(mine)))
    assert failed.rc != 0
    assert "What is there was left alone, for it is no longer this run that builds: " in failed.output, failed.output
    assert " is building since " in failed.output
    assert len(list(store.glob("volumes/build-*.img"))) == 1
    run_module("local_volume", store=store, name="build-55555555555555555555", state="absent")


def test_check_mode_shows_the_plan_and_changes_nothing(store: Path, seed: Path) -> None:
    planned = play("build_volume", "--check", seed=seed, store=store)
    assert planned.rc == 0, planned.output
    assert "small/1: six==1.17.0, idna==3.10" in planned.output
    assert not store.exists()


def test_a_package_that_does_not_exist_is_named_and_nothing_is_left(store: Path, seed: Path) -> None:
    seed.write_text(SEED.replace("six==1.17.0", "six==0.0.999"))
    failed = play("build_volume", seed=seed, store=store)
    assert failed.rc != 0
    assert "six==0.0.999" in failed.output
    assert "Traceback" not in failed.output
    assert leftovers(store) == []
    assert list(store.glob("snapshots/*")) == []


def test_a_failed_build_can_be_kept_and_gone_on_with(store: Path, seed: Path) -> None:
    seed.write_text(SEED.replace("packaging==25.0", "packaging==0.0.999"))
    failed = play("build_volume", seed=seed, store=store, keep_on_failure="true")
    assert failed.rc != 0
    assert "Kept: volume build-" in failed.output
    assert [path.suffix for path in sorted(store.glob("volumes/*"))] == [".img", ".json"]


def test_without_a_seed_there_is_one_clear_error() -> None:
    failed = play("build_volume")
    assert failed.rc != 0
    assert "seed" in failed.output
    assert "Traceback" not in failed.output


def test_a_deployed_volume_works_in_login_shells_and_goes_away_again(
    store: Path, mount_seed: Path, built: Callable[[Path, Path], None]
) -> None:
    early = play("deploy_cluster", seed=mount_seed, store=store)
    assert early.rc != 0
    assert "Nothing is built of" in early.output
    assert "ansible-playbook petal.hpc.build_volume -e seed=" in early.output
    built(mount_seed, store)
    try:
        done = play("deploy_cluster", seed=mount_seed, store=store)
        assert done.rc == 0, done.output
        assert re.search(r"^ok +small/2 ", done.output, re.MULTILINE), done.output
        again = play("deploy_cluster", "-v", seed=mount_seed, store=store)
        assert re.search(r"^localhost +: ok=\d+ +changed=0 ", again.output, re.MULTILINE), again.output
        status = play("cluster_status", seed=mount_seed, store=store)
        assert re.search(r"^  localhost +this host the seed's$", status.output, re.MULTILINE), status.output
        for path in EXPECTED:
            assert (Path("/petal-test") / path).exists()
        line = "module load small && python -c 'import packaging; print(packaging.__version__)'"
        version = subprocess.run(
            ["runuser", "--login", "--shell", "/bin/bash", "nobody", "--command", line],
            capture_output=True,
            text=True,
            check=True,
        )
        assert version.stdout.strip() == "25.0"
        ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        in_script = "bash -c 'module load small && command -v python'"
        job = subprocess.run(
            [*ordinary, "sh", "-c", f". /etc/profile.d/z00_petal.sh; echo $LMOD_RC; {in_script}"],
            env={"PATH": "/usr/bin:/bin", "HOME": "/", "LMOD_RC": "/site/lmodrc.lua", "BASH_ENV": "/not/there"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert job.stdout.splitlines() == [
            "/site/lmodrc.lua:/petal-test/etc/lmod/lmodrc.lua",
            "/petal-test/envs/small/2/bin/python",
        ]
        assert job.stderr == ""
        manifest = json.loads(Path("/petal-test/.petal/manifest.json").read_text())
        assert {module["name"] for module in manifest["modules"]} == {"small/1", "small/2"}
        licences = {package["name"]: package["license"] for package in manifest["packages"]}
        either = "Apache-2.0 AND LicenseRef-OSI-Approved"
        assert licences == {"six": "MIT", "idna": "LicenseRef-OSI-Approved", "packaging": either}
        # The audit's word is on the volume and on its snapshot.
        assert manifest["sharing"] == {"level": "public", "reasons": [], "sensitive": [], "not_open": [], "unknown": []}
        record = json.loads(next(store.glob("snapshots/*/snapshot.json")).read_text())
        assert record["tags"]["petal:sharing"] == "public"
    finally:
        gone = play("delete_cluster", seed=mount_seed, store=store)
    assert gone.rc == 0, gone.output
    assert not Path("/petal-test/bin").exists()
    assert not Path("/etc/profile.d/z00_petal.sh").exists()
    assert "/petal-test" not in Path("/etc/fstab").read_text()
    Path("/petal-test").rmdir()


def test_a_single_host_goes_back_to_what_was_before(
    store: Path, mount_seed: Path, built: Callable[[Path, Path], None]
) -> None:
    """Two versions stay, the older one unmounted; a third takes the first away, and delete_cluster all."""
    text = mount_seed.read_text()
    packaging = {"first": "25.0", "second": "24.2", "third": "24.1"}
    assert packaging["first"] in text

    def deployed() -> str:
        manifest = json.loads(Path("/petal-test/.petal/manifest.json").read_text())
        return str(next(package["version"] for package in manifest["packages"] if package["name"] == "packaging"))

    try:
        for version in packaging.values():
            mount_seed.write_text(text.replace("25.0", version))
            built(mount_seed, store)
            done = play("deploy_cluster", seed=mount_seed, store=store)
            assert done.rc == 0, done.output
            if version == packaging["first"]:
                none = play("deploy_cluster", seed=mount_seed, store=store, rollback="true")
                assert none.rc != 0
                assert "This host has no earlier software of kill-test to go back to" in none.output
            assert deployed() == version
            assert len(list(store.glob("volumes/*.img"))) == (1 if version == packaging["first"] else 2)
        ids = {
            p.name: json.loads((p / "snapshot.json").read_text())["packages"] for p in store.glob("snapshots/snap-*")
        }
        second = next(name for name, packages in ids.items() if f"packaging@{packaging['second']}" in packages)
        assert f"rollback to {second}" in play("cluster_status", seed=mount_seed, store=store).output
        for version in ("second", "third", "second"):
            done = play("deploy_cluster", seed=mount_seed, store=store, rollback="true")
            assert done.rc == 0, done.output
            assert re.search(r"^ok +small/2 ", done.output, re.MULTILINE), done.output
            assert deployed() == packaging[version]
        # Nobody takes it for the seed's.
        other = play("verify_cluster", seed=mount_seed, store=store)
        assert other.rc != 0
        assert "Deploy that seed, or verify with the seed that was deployed" in other.output
        assert Path("/etc/fstab").read_text().count("/petal-test") == 1
        forward = play("deploy_cluster", seed=mount_seed, store=store)
        assert forward.rc == 0, forward.output
        assert deployed() == packaging["third"]
        again = play("deploy_cluster", "-v", seed=mount_seed, store=store)
        assert re.search(r"^localhost +: ok=\d+ +changed=0 ", again.output, re.MULTILINE), again.output
    finally:
        gone = play("delete_cluster", seed=mount_seed, store=store)
    assert gone.rc == 0, gone.output
    assert leftovers(store) == []
    assert "/petal-test" not in Path("/etc/fstab").read_text()
    assert not Path("/etc/profile.d/z00_petal.sh").exists()
    Path("/petal-test").rmdir()


def test_a_snapshot_that_is_not_what_its_record_says_is_not_deployed(store: Path, mount_seed: Path) -> None:
    """A forged record: the archive is whole, its digest right, its fingerprint that of another seed."""
    built = play("build_volume", seed=mount_seed, store=store)
    assert built.rc == 0, built.output
    mount_seed.write_text(mount_seed.read_text().replace("packaging==25.0", "packaging==24.2"))
    validated = play("validate_seed", seed=mount_seed)
    fingerprint = re.findall(r"sha256:[0-9a-f]{64}", validated.output)[-1]
    record = next(store.glob("snapshots/*/snapshot.json"))
    record.write_text(json.dumps({**json.loads(record.read_text()), "fingerprint": fingerprint}))
    deployed = play("deploy_cluster", seed=mount_seed, store=store)
    assert deployed.rc != 0
    assert "it bears the fingerprint" in deployed.output
    assert "Traceback" not in deployed.output
    assert leftovers(store) == []
    assert "/petal-test" not in Path("/etc/fstab").read_text()
    # The build has made it, for its own mount namespace; nothing was mounted there for users.
    Path("/petal-test").rmdir()


@pytest.fixture
def small_store(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Path]]:
    """A store on a disk of so many MiB."""
    # Not among what the test must not leave attached: a lab that starts meanwhile has a copy of every mount.
    image = tmp_path_factory.mktemp("disk") / "store.disk"

    def make(size: int) -> Path:
        store.mkdir()
        with image.open("wb") as stream:
            stream.truncate(size * 1024**2)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, store], check=True)
        return store

    yield make
    subprocess.run(["umount", store], check=True)


def test_a_disk_that_is_too_small_is_said_before_anything_is_made(
    small_store: Callable[[int], Path], seed: Path
) -> None:
    store = small_store(16)
    refused = play("build_volume", seed=seed, store=store)
    assert refused.rc != 0
    assert re.search(
        rf"the disk with {store} has [\d.]+ MiB free of [\d.]+ MiB, and this seed takes at least", refused.output
    )
    assert list(store.glob("volumes/*")) + list(store.glob("locks/*")) == []
    planned = play("build_volume", "--check", seed=seed, store=store)
    assert planned.rc == 0
    assert "It would be refused:" in planned.output


def test_a_disk_that_fills_up_is_named_and_nothing_is_left_on_it(
    small_store: Callable[[int], Path], seed: Path
) -> None:
    """numpy does not fit; the estimate, a lower bound, does not know that."""
    store = small_store(60)
    seed.write_text(SEED.replace("packaging==25.0", "numpy==2.2.6"))
    failed = play("build_volume", seed=seed, store=store)
    assert failed.rc != 0
    assert f"because: the disk with {store} is full" in failed.output, failed.output
    assert list(store.glob("volumes/*")) == []
    free = shutil.disk_usage(store).free
    assert free > 40 * 1024**2
    # Not even on demand: its files may have holes.
    again = play("build_volume", seed=seed, store=store, keep_on_failure="true")
    assert "The volume was removed, keep_on_failure or not" in again.output, again.output
    assert list(store.glob("volumes/*")) == []


def test_what_a_dead_build_left_on_a_full_disk_is_cleaned_up(small_store: Callable[[int], Path]) -> None:
    store, fingerprint = small_store(40), "sha256:" + "e" * 64
    name = f"build-{fingerprint[7:27]}"
    tags = {"petal:fingerprint": fingerprint, "petal:build-id": "20260101T000000Z-eeeeeeee"}
    run_module("local_volume", store=store, name=name, size_gb=1, tags=tags)
    with contextlib.suppress(OSError), (store / "filler").open("wb") as stream:
        while True:
            stream.write(b"x" * 1024)
            stream.flush()
    assert shutil.disk_usage(store).free == 0
    cleaned = play("cleanup", provider="local", store=store)
    assert cleaned.rc == 0, cleaned.output
    assert list(store.glob("volumes/*")) == []


def test_a_build_that_was_left_to_itself_is_cleaned_up_only_on_demand(store: Path) -> None:
    """With one that nobody comes back for beside it, which goes in any case."""
    ids = {letter: f"20260101T00000{index}Z-{letter * 8}" for index, letter in enumerate("df")}
    python = ""
    for letter, build_id in ids.items():
        fingerprint = "sha256:" + letter * 64
        volume = run_module(
            "local_volume",
            store=store,
            name=f"build-{fingerprint[7:27]}",
            size_gb=1,
            tags={"petal:fingerprint": fingerprint, "petal:build-id": build_id},
            state="mounted",
            mount_dir="/petal-test",
            namespace=True,
        )["volume"]
        python = python or volume["python"]
    install = subprocess.Popen(
        [python, "-c", "import time; time.sleep(600)"], env={**environment(), "PETAL_DETACHED": "1"}
    )
    try:
        spared = play("cleanup", provider="local", store=store)
        assert spared.rc == 0, spared.output
        assert f"{ids['d']}: passed over: a build that was left to itself goes on in it" in spared.output
        assert "(-e detached=true removes it)" in spared.output
        assert f"{ids['f']}: removed" in spared.output
        assert install.poll() is None
        assert [record.stem for record in store.glob("volumes/*.json")] == [f"build-{'d' * 20}"]
        ended = play("cleanup", provider="local", store=store, detached="true")
        assert ended.rc == 0, ended.output
        assert f"{ids['d']}: removed" in ended.output
        assert install.wait(30) == -signal.SIGTERM
        assert leftovers(store) == []
    finally:
        install.kill()
        install.wait()


def test_a_build_that_cannot_have_its_volume_gives_its_lock_back(store: Path, seed: Path) -> None:
    (store / "volumes").mkdir(parents=True)
    fingerprint = re.findall(r"sha256:[0-9a-f]{64}", play("validate_seed", seed=seed).output)[-1]
    in_the_way = store / "volumes" / f"build-{fingerprint[7:27]}.img"
    in_the_way.write_text("not a volume")
    failed = play("build_volume", seed=seed, store=store)
    assert failed.rc != 0
    assert "is not one of petal.hpc" in failed.output
    [record] = store.glob("locks/build-*.json")
    assert json.loads(record.read_text())["state"] == "free"
    in_the_way.unlink()


@pytest.mark.parametrize("callback", ["default", "petal.hpc.progress"])
def test_a_build_that_is_interrupted_says_what_stays_and_how_to_go_on(store: Path, seed: Path, callback: str) -> None:
    process = subprocess.Popen(
        command("build_volume", seed=seed, store=store),
        cwd=ROOT,
        env=environment(ANSIBLE_STDOUT_CALLBACK=callback),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(store.glob("volumes/build-*.json")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=60)[0]
    assert (
        len(re.findall(r"^The build \S+ was interrupted: .* The same command goes on with it", output, re.MULTILINE))
        == 1
    ), output
    again = play("build_volume", seed=seed, store=store)
    assert again.rc == 0, again.output
    assert leftovers(store) == []


def test_what_is_deployed_is_marked_and_not_deleted_in_silence(
    store: Path, mount_seed: Path, built: Callable[[Path, Path], None]
) -> None:
    built(mount_seed, store)
    try:
        done = play("deploy_cluster", seed=mount_seed, store=store)
        assert done.rc == 0, done.output
        listed = play("list_volumes", store=store)
        assert "in use: mounted at /petal-test for kill-test" in listed.output, listed.output
        refused = play("delete_volume", seed=mount_seed, store=store)
        assert refused.rc != 0
        assert "is mounted at /petal-test for kill-test" in refused.output
        would = play("delete_volume", "--check", seed=mount_seed, store=store, force="true")
        assert re.search(r"^Would delete snap-\w+  kill-test  [\d.]+ [MK]iB$", would.output, re.MULTILINE), would.output
        assert "Deleted" not in would.output
        assert len(list(store.glob("snapshots/snap-*"))) == 1
        deleted = play("delete_volume", seed=mount_seed, store=store, force="true")
        assert re.search(r"^Deleted snap-\w+  kill-test  [\d.]+ [MK]iB$", deleted.output, re.MULTILINE), deleted.output
        assert f"1 snapshot in {store}" in deleted.output
    finally:
        gone = play("delete_cluster", seed=mount_seed, store=store)
    assert gone.rc == 0, gone.output
    Path("/petal-test").rmdir()


@pytest.mark.usefixtures("store")
def test_killed_builds_are_gone_on_with() -> None:
    """A short version of ``make kill RUNS=10``."""
    assert kill_build(3) == 0
