"""What the action does, without Ansible."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_info

SEED = """\
cluster: {name: bio, provider: local, os: rocky9, architecture: x86_64}
software:
  spack: {version: develop}
  spack_packages: [zlib]
snapshot_sources: [{type: local, priority: 1}]
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    result = tmp_path / "seed.yaml"
    result.write_text(SEED)
    return result


def describe(path: Path, **arguments: Any) -> dict[str, Any]:
    return seed_info.describe({"path": str(path), **arguments}, "/")


def test_result(path: Path) -> None:
    info = describe(path)
    assert info["name"] == "bio"
    assert info["seed"]["cluster"]["os"] == "rocky9"
    assert info["fingerprint"].startswith("sha256:")
    assert info["fingerprint_input"]["os"] == "rocky9"
    assert info["software_volume"] == {
        "name": "software",
        "mount_dir": "/shared",
        "size_gb": 100,
        "volume_type": "gp3",
        "iops": 3000,
        "throughput": 125,
        "encrypted": False,
        "kms_key_id": None,
    }
    assert info["controller"]["pid"] == os.getppid()
    assert len(info["warnings"]) == 1
    assert "develop" not in info["warnings"][0]


def test_branches_are_resolved(path: Path) -> None:
    info = describe(path, resolved_refs={"spack": COMMIT, "packages": None})
    assert info["fingerprint_input"]["spack"]["version"] == COMMIT
    assert info["fingerprint"] != describe(path)["fingerprint"]


def test_what_the_play_decides(path: Path) -> None:
    """Templates of the play are made values; nothing else of it is looked at."""
    variables = {"spack_packages_config": "{{ mine }}", "lmod_method": "spack", "spack_jobs": 4, "other": "{{ broken"}
    arguments = seed_info.with_inputs({"path": str(path)}, variables, {"{{ mine }}": {"all": {}}, "spack": "spack"}.get)
    assert arguments["inputs"] == {"spack_packages_config": {"all": {}}, "lmod_method": "spack"}
    info = seed_info.describe(arguments, "/")
    assert info["inputs"]["settings"] == {"spack_packages_config": {"all": {}}}
    assert info["inputs"]["lmod_method"] == "spack"
    assert info["older_fingerprints"] == []
    assert info["fingerprint"] != describe(path)["fingerprint"]
    assert seed_info.with_inputs({"inputs": {}}, variables, str) == {"inputs": {}}


def test_an_extra_variable_does_not_overrule_the_seed(path: Path) -> None:
    with pytest.raises(SeedError, match=r"spack_target: the seed decides this \(software\.spack\.target\)"):
        seed_info.with_inputs({"path": str(path)}, {}, str, {"spack_target": "zen3", "seed": "x"})


def test_sources_from_outside_take_the_place_of_the_seeds_own(path: Path) -> None:
    sources = [{"type": "organization", "priority": 5, "account": "123456789012"}]
    whole = [{**sources[0], "enabled": True, "store": None}]
    assert describe(path, snapshot_sources=sources)["seed"]["snapshot_sources"] == whole
    with pytest.raises(SeedError, match=r"snapshot_sources\[0\]\.account"):
        describe(path, snapshot_sources=[{"type": "organization", "priority": 5}])


def test_the_host_gives_the_defaults(path: Path) -> None:
    path.write_text("cluster: {name: x}")
    info = describe(path, host_os="ubuntu2404", host_architecture="aarch64")
    assert (info["seed"]["cluster"]["os"], info["seed"]["cluster"]["architecture"]) == ("ubuntu2404", "arm64")


def test_relative_paths(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    playbooks = path.parent / "playbooks"
    playbooks.mkdir()
    (playbooks / "beside.yaml").touch()
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("NAME", "seed")
    assert seed_info.find_seed("seed.yaml", str(playbooks)) == "seed.yaml"
    assert seed_info.find_seed("beside.yaml", str(playbooks)) == str(playbooks / "beside.yaml")
    assert seed_info.find_seed("neither.yaml", str(playbooks)) == "neither.yaml"
    assert seed_info.find_seed("~/seed.yaml", str(playbooks)) == str(path)
    assert seed_info.find_seed("$NAME.yaml", str(playbooks)) == "$NAME.yaml"
    with pytest.raises(SeedError, match="no seed is named"):
        seed_info.find_seed(" ", str(playbooks))
