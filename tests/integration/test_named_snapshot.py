"""A snapshot that is named is deployed, and a cluster goes back, while registries and Git are out of reach."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import containers_check
import image_registry
import pytest
from containers_check import MOUNT_DIR, Lab, container, trusting
from playing import Run, play
from stored import put

from ansible_collections.petal.hpc.plugins.plugin_utils import seed_info

pytestmark = pytest.mark.skipif(
    bool(containers_check.why_not()), reason=containers_check.why_not() or "it can be done here"
)
UNASKED = "stands for now was not looked up"


def said(done: Run) -> str:
    """All of it in one line."""
    return " ".join(done.output.replace('"', " ").split())


def snapshots(store: Path) -> dict[str, dict[str, Any]]:
    """Records in a store by the digest of their image."""
    found = {}
    for path in (store / "snapshots").glob("*/snapshot.json"):
        (image,) = json.loads((path.parent / "manifest.json").read_text())["images"]
        found[image["digest"]] = json.loads(path.read_text())
    return found


def in_use() -> dict[str, str]:
    """What the programs say that are in use."""
    found: dict[str, str] = {}
    for name in ("alpha", "beta"):
        job = f"module load {name}; {name} --version"
        login = ["runuser", "--login", "--shell", "/bin/bash", "nobody", "--command", f"cd /tmp; {job}"]
        done = subprocess.run(login, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        program, version = done.stdout.split()
        found[program] = version
    return found


@pytest.fixture
def fuse(tmp_path: Path) -> Iterator[None]:
    """Users may open /dev/fuse, as on the nodes of a cluster; here only as long as a test takes."""
    device = Path("/dev/fuse")
    if not device.is_char_device():
        pytest.skip("this kernel has no FUSE")
    theirs = tmp_path / "fuse"
    os.mknod(theirs, stat.S_IFCHR | 0o666, device.stat().st_rdev)
    theirs.chmod(0o666)
    subprocess.run(["mount", "--bind", theirs, device], check=True)
    yield
    subprocess.run(["umount", device], check=True)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """What a tag stands for first, and later."""
    image_registry.tools()
    place = tmp_path_factory.mktemp("images")
    yield {
        version: image_registry.tools_image(place, version, {"alpha": version, "beta": "0.7"})
        for version in ("1.0", "1.1")
    }


@pytest.mark.usefixtures("fuse")
def test_a_registry_that_is_gone_keeps_nobody_from_what_is_named(
    store: Path, tmp_path: Path, archives: dict[str, Path]
) -> None:
    place = tmp_path / "registry"
    place.mkdir()
    digests = []
    with image_registry.serving(place) as registry:
        lab = Lab(tmp_path, registry, archives)
        packages = containers_check.packages()
        apptainer: dict[str, Any] = {"containers_runtime": "auto", "containers_apptainer_directory": packages}
        for archive in archives.values():
            digests.append(registry.push(archive, "lab/tools", "v1"))
            done = lab.build(store, container(lab.image()), **apptainer)
            assert done.rc == 0, done.output
    older, newer = (snapshots(store)[digest]["snapshot_id"] for digest in digests)

    def deploy(*options: str, modules: tuple[str, ...] = ("alpha", "beta/0.7"), **more: Any) -> Run:
        seed, login = lab.seed(container(lab.image(), modules=[*modules])), f"file:{registry.auth_file}"
        with trusting(registry):
            return play("deploy_cluster", *options, seed=seed, store=store, containers_auth_from=login, **more)

    # Who names nothing wants what the tag stands for, which nobody can tell.
    done = deploy()
    assert done.rc != 0 and f"{registry.address} could not be reached" in said(done), done.output
    assert UNASKED not in said(done)
    # What is not of the seed is refused, as ever, and so is what is not there.
    done = deploy(modules=("alpha",), snapshot_id=older)
    assert done.rc != 0 and f"No snapshot {older} can be used for containers-test" in said(done), done.output
    assert f"{older} is compared with the seed by what it stood for" in said(done), done.output
    done = deploy(snapshot_id="snap-00000000000000000")
    assert done.rc != 0 and "no snapshot matches id snap-00000000000000000. See what there is" in said(done), (
        done.output
    )
    try:
        for snapshot_id, digest, version in ((newer, digests[1], "1.1"), (older, digests[0], "1.0")):
            done = deploy(snapshot_id=snapshot_id)
            assert done.rc == 0, done.output
            assert said(done).count(UNASKED) == 1, done.output
            assert f"{snapshot_id} is compared with the seed" in said(done) and digest in said(done), done.output
            assert in_use() == {"alpha": version, "beta": "0.7"}
        done = deploy("--check", rollback=True)
        assert done.rc == 0 and f"{newer} of containers-test" in said(done), done.output
        done = deploy(rollback=True)
        assert done.rc == 0 and "what was deployed before is used as it is" in said(done), done.output
        assert in_use() == {"alpha": "1.1", "beta": "0.7"}
        # What a cluster has already needs no store.
        shutil.rmtree(store / "snapshots" / older)
        done = deploy("--check", snapshot_id=older)
        assert done.rc == 0 and f"{older} is deployed already, and is used as it is" in said(done), done.output
    finally:
        # Its fingerprint is another one, and the cluster the same.
        done = play("delete_cluster", seed=lab.seed(), store=store)
    assert done.rc == 0, done.output


GIT_SEED = f"""\
cluster: {{name: git-test, provider: local}}
shared_storage: [{{name: software, mount_dir: {MOUNT_DIR}, ebs_settings: {{size: 1}}}}]
software:
  spack_packages: [zlib]
  spack: {{version: develop, packages: releases/v2026}}
"""


def test_git_that_is_gone_keeps_nobody_from_what_is_named(store: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(GIT_SEED)
    commits = {"spack": "1" * 40, "packages": "2" * 40}
    found = seed_info.describe({"path": str(seed), "resolved_refs": commits}, str(tmp_path))
    assert not found["unresolved"]
    different = {"fingerprint": found["fingerprint"], "name": "git-test", "os": found["seed"]["cluster"]["os"]}
    put(store, b"an archive", "snap-00000000000000001", tags={"petal:build-id": "b", **found["pins"]}, **different)
    put(store, b"an archive", "snap-00000000000000002", tags={"petal:build-id": "b"}, **different)
    nowhere = f"file://{tmp_path}/nowhere"
    given: dict[str, Any] = {"seed": seed, "store": store, "spack_git_url": nowhere, "spack_packages_git_url": nowhere}
    done = play("deploy_cluster", "--check", snapshot_id="snap-00000000000000001", **given)
    assert done.rc == 0, done.output
    assert f"develop {'1' * 40}, releases/v2026 {'2' * 40}" in said(done), done.output
    assert "snap-00000000000000001 of git-test" in said(done), done.output
    # An earlier release has not noted what it stood for: only those who are asked can tell.
    done = play("deploy_cluster", "--check", snapshot_id="snap-00000000000000002", **given)
    assert done.rc != 0 and "does not say what develop, releases/v2026 stood for" in said(done), done.output
    assert UNASKED not in said(done) and "nowhere" in said(done), done.output
