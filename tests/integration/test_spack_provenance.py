# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a volume with packages of the real Spack says of itself: compiled here once, and then from a signed cache."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import debian_sources
import package_graph
import pytest
import spack_at_hand
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from modules import run_module
from playing import ROOT, Run, command, finished, leftovers, loop_devices, mounts, play, why_not_mount
from volume_image import on_volume, unpacked

from ansible_collections.petal.hpc.plugins.module_utils._seed import model

#: Of upstream's packages one with a licence; of the lab's graph one with a chain below it, and one that no cache has.
BZIP2, CHAIN, OWN = "bzip2@1.0.8", "lab-r5", "lab-b5"
#: What has to be in the mirror for them, beside Spack.
SOURCES = (BZIP2, "compiler-wrapper@1.1.0")
#: As the recipes have them, in the words of CycloneDX.
LICENCES = {
    "bzip2": [{"license": {"id": "bzip2-1.0.6"}}],
    "gcc-runtime": [{"expression": "GPL-3.0-or-later WITH GCC-exception-3.1"}],
}
KNOWN_TAGS = yaml.safe_load((ROOT / "roles/spack/vars/main.yml").read_text())["spack_known_tags"]
COMMITS = {
    "spack": model.DEFAULT_SPACK_REF,
    "spack-packages": KNOWN_TAGS["packages"][model.DEFAULT_SPACK_PACKAGES_REF],
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def why_not() -> str:
    """Why the packages cannot be built, in one line; empty if they can."""
    if reason := why_not_mount():
        return reason
    mirror = spack_at_hand.mirror_dir()
    if mirror is None:
        return spack_at_hand.why_not()
    texts = debian_sources.recipes(mirror / "spack-packages.git", model.DEFAULT_SPACK_PACKAGES_REF)
    sources = [source for name, text in texts for source in debian_sources.sources_of(name, text)]
    for spec in SOURCES:
        if not any(debian_sources.is_there(one, mirror) for one in debian_sources.candidates(spec, sources)):
            return f"no source of {spec} in {mirror} (make debian-sources has bzip2's)"
    return ""


@dataclass(frozen=True)
class Site:
    """A site that builds and signs, with a cache of packages. maker: its signing key. key: whose word the cache has."""

    directory: Path
    maker: Path
    key: str
    variables: dict[str, Any]

    @property
    def store(self) -> Path:
        return self.directory / "store"

    def seed(self, mount_dir: str) -> Path:
        storage = {"name": "software", "mount_dir": mount_dir, "ebs_settings": {"size": 4}}
        environment = {"name": "small", "version": "1", "packages": ["six==1.17.0"]}
        software = {
            "spack_packages": [BZIP2, CHAIN],
            "build_from_source": [OWN],
            "python_environments": [environment],
        }
        cluster = {"name": mount_dir[1:], "provider": "local"}
        path = self.directory / f"{mount_dir[1:]}.yaml"
        path.write_text(yaml.safe_dump({"cluster": cluster, "shared_storage": [storage], "software": software}))
        return path

    def build(self, mount_dir: str, **variables: Any) -> Built:
        before = set(self.store.glob("snapshots/snap-*"))
        given = {**self.variables, "petal_signing_key": str(self.maker), **variables}
        done = play("build_volume", "-e", json.dumps(given), timeout=1800, seed=self.seed(mount_dir), store=self.store)
        assert done.rc == 0, done.output
        assert leftovers(self.store) == []
        Path(mount_dir).rmdir()
        (entry,) = set(self.store.glob("snapshots/snap-*")) - before
        image = unpacked(entry, self.directory / entry.name)
        documents = {name: on_volume(image, name) for name in ("sbom.cdx.json", "manifest.json", "spack.lock")}
        image.unlink()
        return Built(done.output, entry, documents)

    def verify(self, mount_dir: str) -> Run:
        """As anybody does who trusts the maker, in a network namespace without any network."""
        listed = subprocess.run(["ssh-keygen", "-lf", self.maker], check=True, capture_output=True, text=True).stdout
        trust = {"petal_trusted_signers": [{"name": "maker", "key": listed.split()[1]}]}
        given = json.dumps({**self.variables, **trust, "petal_require_signatures": True})
        asked = command("verify_volume", "-e", given, seed=self.seed(mount_dir), store=self.store)
        return finished(["unshare", "--net", *asked])


@dataclass(frozen=True)
class Built:
    """A snapshot, and what its volume says of itself."""

    output: str
    entry: Path
    documents: dict[str, bytes]

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        """The packages of Spack's own lock by hash, without the operating system's."""
        specs = json.loads(self.documents["spack.lock"])["concrete_specs"]
        return {key: node for key, node in specs.items() if "external" not in node}

    @property
    def packages(self) -> dict[str, dict[str, Any]]:
        """Spack's packages in the manifest, by name."""
        listed = json.loads(self.documents["manifest.json"])["packages"]
        return {one["name"]: one for one in listed if one["manager"] == "spack"}

    @property
    def bill(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.documents["sbom.cdx.json"])
        return found

    @property
    def components(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.bill["components"]}

    @property
    def statement(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.entry / "provenance.json").read_text())
        return found

    @property
    def used(self) -> dict[str, dict[str, Any]]:
        listed = self.statement["predicate"]["buildDefinition"]["resolvedDependencies"]
        return {one["name"]: one for one in listed}

    @property
    def made(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.statement["predicate"]["runDetails"]["byproducts"]}


def of_origin(listed: dict[str, dict[str, Any]], origin: str) -> set[str]:
    """Names of Spack's packages that came in one way."""
    notes = {name: one.get("annotations", {}) for name, one in listed.items()}
    return {name for name, note in notes.items() if (note.get("manager"), note.get("origin")) == ("spack", origin)}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if reason := why_not():
        pytest.skip(reason)
    (tmp_path / "cache").mkdir()
    maker = tmp_path / "maker"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", maker], check=True)
    signing_key = {"file": tmp_path / "key", "create": True}
    keys = run_module("spack_buildcache_keys", gnupghome=tmp_path / "gpg", signing_key=signing_key)
    variables = {
        "cache": str(tmp_path / "cache"),
        "spack_repositories": {package_graph.NAMESPACE: str(package_graph.write(tmp_path / "graph"))},
        "software_volume_own_cache": str(tmp_path / "own"),
        **spack_at_hand.variables(),
    }
    yield Site(tmp_path, maker, keys["signing_key"]["fingerprint"], variables)
    assert [line for line in mounts() | loop_devices() if str(tmp_path) in line] == []


def test_what_spack_brought_is_named_and_whence_it_came(site: Site) -> None:
    """Once compiled, and once from the cache but for what no cache may provide, at another directory."""
    own_key = {"spack_buildcache_signing_key_file": str(site.directory / "key")}
    first = site.build("/petal-bom-test", **own_key)
    the_bill_is_spacks_own_list(first)
    the_bill_names_what_it_stands_on(first)
    the_statement_is_valid_and_names_its_sources(first)
    # All of the lock is there, and all of it was compiled here.
    everything = {node["name"] for node in first.nodes.values()}
    assert everything >= {"bzip2", CHAIN, "lab-m2", "lab-b1", "lab-b2", OWN, "gcc-runtime", "compiler-wrapper"}
    assert set(first.packages) == of_origin(first.made, "source") == everything
    assert of_origin(first.used, "cache") == set()
    seen = site.verify("/petal-bom-test")
    it_is_verified(seen, first)
    assert f"{len(everything)} compiled by the builder" in seen.output
    assert "from a build cache" not in seen.output
    # Others trust the cache's key, and have no secret one.
    keys = [{"name": "lab", "fingerprint": site.key, "file": f"{site.directory}/key.pub"}]
    away = {"spack_buildcache_signing_key_file": "", "software_volume_own_cache": ""}
    second = site.build("/petal-bom-again", spack_buildcache_keys=keys, **away)
    the_bill_is_spacks_own_list(second)
    the_bill_names_what_it_stands_on(second)
    the_statement_is_valid_and_names_its_sources(second)
    cached = of_origin(second.used, "cache")
    assert of_origin(second.made, "source") == {OWN}
    assert cached == everything - {OWN}
    for name in cached:
        notes = second.used[name]["annotations"]
        assert (notes["caches"], notes["signers"]) == (["site"], [site.key])
        assert first.nodes[notes["spackHash"]]["name"] == name
    seen = site.verify("/petal-bom-again")
    it_is_verified(seen, second)
    from_cache = (
        f"{len(cached)} of them from a build cache, signed by {site.key}: buildcache/site file://{site.directory}/cache"
    )
    assert from_cache in seen.output, seen.output
    # A statement that says something else is found, also where it is about this very snapshot.
    forged = (second.entry / "provenance.json").read_text().replace(COMMITS["spack"], "0" * 40)
    (second.entry / "provenance.json").write_text(forged)
    doubted = site.verify("/petal-bom-again")
    assert doubted.rc != 0
    assert "What is said of its build counts for nothing" in " ".join(doubted.output.split()), doubted.output


def the_bill_is_spacks_own_list(built: Built) -> None:
    """By the standard's schema, and package by package as spack.lock has it: versions, hashes, edges, licences."""
    text = built.documents["sbom.cdx.json"].decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    needs = {one["ref"]: set(one.get("dependsOn", ())) for one in built.bill["dependencies"]}
    references = {name: one["bom-ref"] for name, one in built.components.items()}
    there = {key: node for key, node in built.nodes.items() if node["name"] in built.packages}
    assert {node["name"] for node in built.nodes.values()} == set(built.packages)
    for key, node in there.items():
        name, item = node["name"], built.components[node["name"]]
        assert (item["version"], item["purl"]) == (node["version"], f"pkg:generic/{name}@{node['version']}")
        assert {"name": "spack:hash", "value": key} in item["properties"]
        to_run = {
            references[edge["name"]]
            for edge in node.get("dependencies", ())
            if edge["hash"] in there and {"link", "run"} & set(edge["parameters"]["deptypes"])
        }
        assert needs[item["bom-ref"]] == to_run, name
        if not name.startswith(package_graph.PREFIX):
            assert item["licenses"], name
    assert {name: built.components[name]["licenses"] for name in LICENCES} == LICENCES
    assert references["lab-m2"] in needs[references[CHAIN]]
    assert set(references.values()) <= needs["volume"]
    # The recipes of the lab say nothing of a licence, and those of Spack do.
    assert "lab-m2 has no known licence" in built.output
    assert "bzip2 has no known licence" not in built.output


def the_bill_names_what_it_stands_on(built: Built) -> None:
    components = built.components
    for name, commit in COMMITS.items():
        assert {"name": "petal:commit", "value": commit} in components[name]["properties"]
        assert commit in components[name]["purl"]
        assert components[name]["licenses"] == [{"expression": "Apache-2.0 OR MIT"}]
    assert components["six"]["hashes"][0]["alg"] == "SHA-256"
    assert any(name.startswith("python3") for name in components)
    # Lmod needs its Lua, and the Lua its modules.
    needs = {one["ref"]: set(one.get("dependsOn", ())) for one in built.bill["dependencies"]}
    lua = {one["bom-ref"] for name, one in components.items() if name.startswith("lua")}
    assert len(lua) >= 2
    (lmod,) = (one for name, one in components.items() if name.lower() == "lmod")
    assert needs[lmod["bom-ref"]] == lua
    assert all(one["purl"] for one in components.values())


def the_statement_is_valid_and_names_its_sources(built: Built) -> None:
    found = built.statement
    Statement.copy_from_pb(json_format.ParseDict(found, statement_pb2.Statement())).validate()
    json_format.ParseDict(found["predicate"], provenance_pb2.Provenance())
    subjects = {one["name"]: one["digest"]["sha256"] for one in found["subject"]}
    assert subjects[built.entry.name] == sha256((built.entry / "snapshot.json").read_bytes())
    used, manifest = built.used, json.loads(built.documents["manifest.json"])
    assert {name: used[name]["digest"]["gitCommit"] for name in COMMITS} == COMMITS
    assert used[".petal/spack.lock"]["digest"]["sha256"] == sha256(built.documents["spack.lock"])
    assert {".petal/locks/python-small-1.txt", f"recipes/{package_graph.NAMESPACE}"} <= set(used)
    for name in ("manifest.json", "sbom.cdx.json"):
        assert built.made[f".petal/{name}"]["digest"]["sha256"] == sha256(built.documents[name])
    # The compiler is the operating system's: it is not on the volume, and every byte went through it.
    specs = json.loads(built.documents["spack.lock"])["concrete_specs"]
    of_system = {node["name"]: node["version"] for node in specs.values() if "external" in node}
    assert "gcc" in of_system
    assert of_origin(used, "external") == set(of_system)
    assert used["gcc"]["uri"] == f"pkg:generic/gcc@{of_system['gcc']}"
    # Each package is either compiled here or not, and said once.
    named = of_origin(built.made, "source") | of_origin(used, "cache")
    assert named == set(built.packages)
    assert not of_origin(built.made, "source") & of_origin(used, "cache")
    assert {one["origin"] for one in manifest["packages"] if one["manager"] == "spack"} <= {"source", "cache"}


def it_is_verified(seen: Run, built: Built) -> None:
    assert seen.rc == 0, seen.output
    lines = [" ".join(line.split()) for line in seen.output.splitlines()]
    assert f"spack {COMMITS['spack']}" in lines, seen.output
    assert f"spack-packages {COMMITS['spack-packages']}" in lines
    assert f".petal/spack.lock {sha256(built.documents['spack.lock'])}" in lines
    text = "\n".join(lines)
    assert "signed by maker (SHA256:" in text
    assert "says so maker (SHA256:" in text
    assert "trusted yes: signed by maker" in text
