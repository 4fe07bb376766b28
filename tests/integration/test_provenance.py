"""What a real build says of itself: the bill of materials on its volume, and the statement beside its record."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from kill_build import SEED
from modules import run_module
from playing import leftovers, play
from stored import ID, put
from volume_image import on_volume, unpacked

from ansible_collections.petal.hpc.plugins.plugin_utils.sbom import volume_sbom

BUILDER = "https://builds.example.org/hpc"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    path = tmp_path / "seed.yaml"
    path.write_text(SEED.replace("/shared", "/petal-test"))
    return path


def test_a_build_says_what_it_is_made_of_and_from(store: Path, seed: Path, tmp_path: Path) -> None:
    built = play("build_volume", seed=seed, store=store, petal_builder_id=BUILDER, name="proven")
    assert built.rc == 0, built.output
    assert leftovers(store) == []
    (entry,) = store.glob("snapshots/snap-*")
    image = unpacked(entry, tmp_path / "image")
    sbom, manifest = on_volume(image, "sbom.cdx.json"), on_volume(image, "manifest.json")
    the_bill_is_valid_and_complete(sbom.decode(), json.loads(manifest))
    found = json.loads((entry / "provenance.json").read_text())
    Statement.copy_from_pb(json_format.ParseDict(found, statement_pb2.Statement())).validate()
    json_format.ParseDict(found["predicate"], provenance_pb2.Provenance())
    # All that it names by a digest is there, to the byte.
    subjects = {one["name"]: one["digest"]["sha256"] for one in found["subject"]}
    assert subjects == {
        entry.name: sha256((entry / "snapshot.json").read_bytes()),
        f"{entry.name}/volume.tar.zst": sha256((entry / "volume.tar.zst").read_bytes()),
    }
    definition, run = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    made = {one["name"]: one["digest"]["sha256"] for one in run["byproducts"]}
    assert (entry / "sbom.cdx.json").read_bytes() == sbom
    assert made == {".petal/sbom.cdx.json": sha256(sbom), ".petal/manifest.json": sha256(manifest)}
    used = {one["name"]: one.get("digest", {}).get("sha256") for one in definition["resolvedDependencies"]}
    lock = on_volume(image, "locks/python-small-1.txt")
    assert used[".petal/locks/python-small-1.txt"] == sha256(lock)
    assert f"sha256:{used['six']}" in lock.decode()
    assert definition["externalParameters"]["overrides"] == {"name": "proven"}
    assert definition["externalParameters"]["seed"]["cluster"]["name"] == "kill-test"
    assert run["builder"]["id"] == BUILDER
    assert run["metadata"]["invocationId"] == json.loads(manifest)["build_id"]
    report = on_volume(image, "report.html")
    kept = Path(re.findall(r"^  report +(\S+) \(/petal-test/\.petal/report\.html\)$", built.output, re.MULTILINE)[0])
    the_report_is_of_this_build(report.decode(), json.loads(manifest))
    assert kept.read_bytes() == report
    assert f"{sha256(report)}  report.html\n" in on_volume(image, "SHA256SUMS").decode()
    written = kept.stat().st_mtime_ns
    # A hit makes nothing new, and what goes takes its statement along.
    assert "Found: snap-" in play("build_volume", seed=seed, store=store, name="proven").output
    assert kept.stat().st_mtime_ns == written
    kept.unlink()
    assert play("delete_volume", seed=seed, store=store).rc == 0
    assert list(store.glob("snapshots/*")) == []


def the_report_is_of_this_build(page: str, manifest: dict[str, Any]) -> None:
    for word in (
        manifest["build_id"],
        manifest["fingerprint"],
        "taken from a package index",
        "Python small/1",
        "everybody",
    ):
        assert word in page, word
    assert all(f"{one['name']}@{one['version']}" in page for one in manifest["packages"])
    assert sum(manifest["sizes"]["parts"].values()) == manifest["sizes"]["used_bytes"]


def the_bill_is_valid_and_complete(text: str, manifest: dict[str, Any]) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    listed = {item["name"]: item for item in json.loads(text)["components"]}
    assert {"six", "idna", "packaging"} <= set(listed)
    assert all(listed[name]["hashes"][0]["alg"] == "SHA-256" for name in ("six", "idna", "packaging"))
    # With the operating system's Lmod, its Lua and the Lua's modules, and its Python.
    system = [item for item in listed.values() if {"name": "petal:origin", "value": "system"} in item["properties"]]
    assert {name for item in system for name in ("lmod", "lua", "python") if item["name"].lower().startswith(name)} == {
        *("lmod", "lua", "python")
    }
    assert all(item["licenses"] and item["purl"] for item in listed.values())
    assert len(listed) == len(manifest["packages"]) + len(manifest["components"])


def test_a_builder_that_is_no_uri_is_refused_before_anything_is_built(store: Path, seed: Path) -> None:
    refused = play("build_volume", seed=seed, store=store, petal_builder_id="our-builder")
    assert refused.rc != 0
    assert 'petal_builder_id is "our-builder". Expected a URI' in " ".join(refused.output.split())
    assert list(store.glob("*/build-*")) == []


def test_what_is_on_the_volume_is_told_from_what_the_node_has(tmp_path: Path) -> None:
    """Interpreters and a Lmod of the volume's own, with the system's Lua; a link decides nothing."""
    python, lmod = tmp_path / "envs/.python/bin/python3", tmp_path / "lmod/8.7.37/libexec/lmod"
    for path, text in ((python, ""), (lmod, "#!/bin/sh\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (tmp_path / "lmod/lmod").symlink_to("8.7.37")
    (tmp_path / ".petal/locks").mkdir(parents=True)
    (tmp_path / ".petal/spack.lock").write_text("{}")
    found = run_module(
        "volume_components",
        path=tmp_path,
        lmod={"home": str(tmp_path / "lmod/lmod"), "version": "8.7.37"},
        pythons=[{"path": str(python), "version": "3.12.4", "source": "managed"}],
    )
    ours = {one["name"]: one for one in found["components"] if one["origin"] == "volume"}
    assert (ours["lmod"]["manager"], ours["python"]["manager"]) == ("source", "uv")
    assert found["locks"] == {".petal/spack.lock": f"sha256:{sha256(b'{}')}"}
    # Nine directories, three files and a link.
    assert found["sizes"]["files"] == 13
    assert found["sizes"]["used_bytes"] > 0


def test_each_part_of_a_volume_is_measured_once(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/large").write_bytes(b"x" * 200_000)
    root = tmp_path / "shared"
    for name in ("spack/opt/zlib-1.3", "spack/opt/gcc-14", "envs/small/1"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_bytes(b"x" * 100_000)
    # A file that two have counts for one of them; what is outside, or behind a link, is none of the volume's.
    (root / "envs/small/1/again").hardlink_to(root / "spack/opt/zlib-1.3/file")
    (root / "spack/opt/link").symlink_to(tmp_path / "out")
    paths = [f"{root}/{name}" for name in ("spack/opt/zlib-1.3", "spack/opt/gcc-14", "spack/opt/link", "nowhere")]
    packages = [{"name": "x", "prefix": path} for path in (*paths, f"{tmp_path}/out", f"{root}/../out", "/usr")]
    sizes = run_module("volume_components", path=root, packages=[*packages, {"name": "six"}])["sizes"]
    assert set(sizes["parts"]) == {".", "envs", "envs/small/1", "spack", "spack/opt/gcc-14", "spack/opt/zlib-1.3"}
    whole = subprocess.run(["du", "--summarize", "--block-size=1", root], capture_output=True, text=True, check=True)
    assert sizes["used_bytes"] == sum(sizes["parts"].values()) == int(whole.stdout.split()[0])
    assert 100_000 <= sizes["parts"]["spack/opt/gcc-14"] < 200_000


def test_a_lua_that_is_not_there_is_said(tmp_path: Path) -> None:
    lmod = tmp_path / "lmod/libexec/lmod"
    lmod.parent.mkdir(parents=True)
    lmod.write_text("#!/nowhere/lua\n")
    found = run_module("volume_components", path=tmp_path, lmod={"home": str(tmp_path / "lmod"), "version": "8.7.37"})
    assert [one["name"] for one in found["components"]] == ["lmod"]
    assert "its first line names /nowhere/lua, which is not here" in str(found["warnings"])


def test_known_vulnerabilities_of_what_is_shared(store: Path, tmp_path: Path) -> None:
    put(store, b"archive")
    osv, target = tmp_path / "osv", tmp_path / "shared"
    asked: dict[str, Any] = {"store": store, "share_store": target, "osv": osv, "provider": "local", "snapshot_id": ID}
    target.mkdir()
    osv.mkdir()
    versions = {"package": {"ecosystem": "PyPI", "name": "six"}, "versions": ["1.17.0"]}
    record = {"id": "OSV-1", "aliases": ["CVE-2026-1"], "affected": [versions]}
    (osv / "OSV-1.json").write_text(json.dumps(record))
    unknown = play("share_volume", **asked)
    assert unknown.rc != 0
    assert f"{ID} has no bill of materials beside its record" in " ".join(unknown.output.split())
    assert list(target.iterdir()) == []
    packages = [{"name": "six", "version": "1.17.0", "manager": "pypi", "hash": "", "license": "MIT"}]
    manifest = {"name": "bio", "fingerprint": f"sha256:{'0' * 64}", "build_id": "b", "created": "2026-11-22T00:00:00Z"}
    (store / "snapshots" / ID / "sbom.cdx.json").write_text(volume_sbom({**manifest, "packages": packages}))
    shared = play("share_volume", **asked)
    assert shared.rc == 0, shared.output
    said = " ".join(shared.output.split())
    assert f"Known vulnerabilities of {ID}: 1 (records read: 1)" in said, said
    assert "six 1.17.0 OSV-1, CVE-2026-1 severity not known not fixed" in said
    assert list(target.rglob("snapshot.json"))
