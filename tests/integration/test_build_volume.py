"""The main job, with the playbooks that users run: build, find again, deploy, verify, list, delete."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from kill_build import EXPECTED, SEED, content_is_right
from kill_build import main as kill_build
from playing import ROOT, command, environment, leftovers, play


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


def test_two_builds_of_one_seed_at_once_end_in_one_snapshot(store: Path, seed: Path) -> None:
    builds = [
        subprocess.Popen(
            command("build_volume", seed=seed, store=store),
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _number in range(2)
    ]
    outputs = [build.communicate(timeout=600)[0] for build in builds]
    assert [build.returncode for build in builds] == [0, 0], "\n".join(outputs)
    assert sorted(word in output for output in outputs for word in ("Built: ", "Found: ")) == [False, False, True, True]
    assert content_is_right(store) == ""
    assert leftovers(store) == []


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


def test_a_deployed_volume_works_in_login_shells_and_goes_away_again(store: Path, mount_seed: Path) -> None:
    early = play("deploy_cluster", seed=mount_seed, store=store)
    assert early.rc != 0
    assert "Build it first" in early.output
    try:
        for playbook in ("build_volume", "deploy_cluster"):
            done = play(playbook, seed=mount_seed, store=store)
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
    assert not Path("/etc/profile.d/z00_petal.sh").is_symlink()
    assert "/petal-test" not in Path("/etc/fstab").read_text()
    Path("/petal-test").rmdir()


def test_a_single_host_goes_back_to_what_was_before(store: Path, mount_seed: Path) -> None:
    """Two versions stay, the older one unmounted; a third takes the first away, and delete_cluster all."""
    text = mount_seed.read_text()
    packaging = {"first": "25.0", "second": "24.2", "third": "24.1"}
    assert packaging["first"] in text

    def deployed() -> str:
        manifest = json.loads(Path("/petal-test/.petal/manifest.json").read_text())
        return next(package["version"] for package in manifest["packages"] if package["name"] == "packaging")

    try:
        for version in packaging.values():
            mount_seed.write_text(text.replace("25.0", version))
            for playbook in ("build_volume", "deploy_cluster"):
                done = play(playbook, seed=mount_seed, store=store)
                assert done.rc == 0, done.output
                if version == packaging["first"] and playbook == "deploy_cluster":
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
    assert not Path("/etc/profile.d/z00_petal.sh").is_symlink()
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


@pytest.mark.usefixtures("store")
def test_killed_builds_are_gone_on_with() -> None:
    """A short version of ``make kill RUNS=10``."""
    assert kill_build(3) == 0
