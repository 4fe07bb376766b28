"""Containers of a seed: images of a private registry on the volume, as files that stay the same, and modules of their programs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import image_registry
import pytest
import yaml
from image_registry import PASSWORD, Registry, tools_image
from playing import Run, play

MOUNT_DIR = "/petal-containers-test"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """OCI archives, by their names."""
    directory = tmp_path_factory.mktemp("images")
    return {
        "first": tools_image(directory, "first", {"alpha": "1.0", "beta": "0.7"}),
        "second": tools_image(directory, "second", {"alpha": "1.1", "beta": "0.7"}),
        "foreign": tools_image(directory, "foreign", {"alpha": "1.0"}, architecture="riscv64"),
    }


@pytest.fixture
def registry(tmp_path: Path, images: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    directory = tmp_path / "registry"
    directory.mkdir()
    with image_registry.serving(directory) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        running.push(images["first"], "lab/tools", "v1")
        yield running


def container(image: str, **more: Any) -> dict[str, Any]:
    return {"name": "tools", "image": image, "modules": ["alpha", "beta/0.7"], **more}


def seed(directory: Path, *containers: dict[str, Any]) -> Path:
    file = directory / "seed.yaml"
    volume = {"name": "software", "mount_dir": MOUNT_DIR, "ebs_settings": {"size": 1}}
    cluster = {"name": "containers-test", "provider": "local"}
    file.write_text(yaml.safe_dump({"cluster": cluster, "shared_storage": [volume], "software": {"containers": [*containers]}}))
    return file


def built(registry: Registry, file: Path, store: Path, **more: Any) -> Run:
    return play("build_volume", "-vvv", seed=file, store=store, containers_auth_from=f"file:{registry.auth_file}", **more)


def snapshots(store: Path) -> dict[str, dict[str, Any]]:
    """Manifests of the snapshots in a store, by their fingerprints."""
    found = [json.loads(path.read_text()) for path in (store / "snapshots").glob("*/manifest.json")]
    return {manifest["fingerprint"]: manifest for manifest in found}


def test_an_image_is_built_once_and_a_tag_that_moves_is_other_software(
    store: Path, tmp_path: Path, registry: Registry, images: dict[str, Path]
) -> None:
    file = seed(tmp_path, container(f"{registry.address}/lab/tools:v1", env={"WHO": "a b"}))
    first = built(registry, file, store)
    assert first.rc == 0, first.output
    assert "module       alpha/v1 " in first.output
    assert PASSWORD not in first.output
    ((fingerprint, manifest),) = snapshots(store).items()
    (image,) = manifest["images"]
    assert image["labels"]["org.opencontainers.image.description"] == "Tools of the lab: alpha, beta"
    assert image["programs"] == {"alpha": "/opt/tools/bin/alpha", "beta": "/opt/tools/bin/beta"}
    assert [entry["name"] for entry in manifest["modules"]] == ["tools/v1", "alpha/v1", "beta/0.7"]

    again = built(registry, file, store)
    assert again.rc == 0, again.output
    assert "Reused" in again.output or "already" in again.output, again.output[-2000:]

    digest = registry.push(images["second"], "lab/tools", "v1")
    moved = built(registry, file, store)
    assert moved.rc == 0, moved.output
    both = snapshots(store)
    assert len(both) == 2 and both[fingerprint] == manifest
    (other,) = [found for key, found in both.items() if key != fingerprint]
    assert other["images"][0]["digest"] == digest != image["digest"]


def test_the_same_digest_is_the_same_file(store: Path, tmp_path: Path, registry: Registry, images: dict[str, Path]) -> None:
    """From the registry, and from an archive beside the seed without any."""
    file = seed(tmp_path, container(f"{registry.address}/lab/tools:v1"))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "tools.tar").write_bytes(images["first"].read_bytes())
    beside = tmp_path / "beside"
    assert built(registry, file, store).rc == 0
    (from_registry,) = snapshots(store).values()

    archived = seed(tmp_path, container("file:images/tools.tar", version="v1"))
    from_file = play("build_volume", seed=archived, store=beside)
    assert from_file.rc == 0, from_file.output
    (from_archive,) = snapshots(beside).values()
    assert from_archive["fingerprint"] == from_registry["fingerprint"]
    assert from_archive["images"][0]["sha256"] == from_registry["images"][0]["sha256"]
    assert not (Path("/var/cache/petal/containers/archives")).exists()


def test_a_mirror_directory_answers_for_the_registry(store: Path, tmp_path: Path, registry: Registry) -> None:
    mirror, image = tmp_path / "mirror", f"{registry.address}/lab/tools:v1"
    file = seed(tmp_path, container(image))
    logins = f"file:{registry.auth_file}"
    tasks = tmp_path / "mirror.yml"
    tasks.write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "localhost",
                    "gather_facts": False,
                    "tasks": [
                        {"petal.hpc.seed_info": {"path": str(file)}, "register": "read"},
                        {
                            "ansible.builtin.include_role": {"name": "petal.hpc.containers", "tasks_from": "mirror"},
                            "vars": {"containers_list": "{{ read.containers }}"},
                        },
                    ],
                }
            ]
        )
    )
    filled = play(str(tasks), containers_mirror_dir=mirror, containers_auth_from=logins)
    assert filled.rc == 0, filled.output
    again = play(str(tasks), containers_mirror_dir=mirror, containers_auth_from=logins)
    assert re.search(r"changed=0 ", again.output) or "changed" not in again.output, again.output
    registry.log_in(password="another")  # noqa: S106 it is none
    offline = play("build_volume", seed=file, store=store, containers_mirror_dir=mirror)
    assert offline.rc == 0, offline.output
    (manifest,) = snapshots(store).values()
    assert manifest["images"][0]["image"] == image


REFUSED = {
    "a login that is wrong": (
        {},
        "refuses the login that there is for it",
    ),
    "a tag that is not there": ({"image": "lab/tools:v9"}, "has no v9 of lab/tools"),
    "a program that the image lacks": (
        {"modules": ["alpha", "gamma"]},
        r"has no program gamma: looked for in /opt/tools/bin:/bin of the image",
    ),
    "another platform": ({"image": "lab/foreign:v1"}, "is an image for linux/riscv64, and the seed is for linux/amd64"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(store: Path, tmp_path: Path, registry: Registry, images: dict[str, Path], case: str) -> None:
    more, message = REFUSED[case]
    registry.push(images["foreign"], "lab/foreign", "v1")
    image = f"{registry.address}/{more.get('image', 'lab/tools:v1')}"
    if case == "a login that is wrong":
        registry.log_in(password="another")  # noqa: S106 it is none
    run = built(registry, seed(tmp_path, container(**{**more, "image": image})), store)
    assert run.rc != 0
    assert re.search(message, " ".join(run.output.split())), run.output[-3000:]
    assert "Traceback" not in run.output
    assert PASSWORD not in run.output
    assert snapshots(store) == {}


def test_a_layer_that_was_changed_in_the_registry_is_not_taken(store: Path, tmp_path: Path, registry: Registry) -> None:
    """Of a digest nothing else is accepted, and nothing of it stays on the volume."""
    blobs = registry.root / "storage/docker/registry/v2/blobs/sha256"
    layer = max(blobs.glob("*/*/data"), key=lambda path: path.stat().st_size)
    content = bytearray(layer.read_bytes())
    content[len(content) // 2] ^= 1
    layer.write_bytes(content)
    assert hashlib.sha256(content).hexdigest() != layer.parent.name
    run = built(registry, seed(tmp_path, container(f"{registry.address}/lab/tools:v1")), store)
    assert run.rc != 0
    assert "could not be fetched at sha256:" in run.output
    assert snapshots(store) == {}
