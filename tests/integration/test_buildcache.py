"""Build caches with the real Spack and small upstream packages: filled, used elsewhere, poisoned, cleared, in S3."""

from __future__ import annotations

import ast
import base64
import contextlib
import functools
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from modules import fail_module, run_module
from playing import ROOT, Run, play
from s3_server import serve
from spack_at_hand import MIRROR, PACKAGES_REF, SPACK_REF

# Upstream recipes and nothing else: Spack reads them in a second, and has little to decide.
RECIPES = ["tree", "samblaster", "gcc", "gcc_runtime", "glibc", "compiler_wrapper", "gmake", "musl"]
SOURCES = [
    "0160c535bff2b0dc6a830b9944e981e3427380f63e748da96ced7071faebabf6",  # tree 2.1.0
    "6b42a53d64a3ed340852028546693a24c860f236fd70e90c2b24fde9dcc4fd63",  # samblaster 0.1.26
]
SECRET = "not-in-any-file-or-log"
NICE = ["nice", "-n", "5"]


@dataclass(frozen=True)
class Instance:
    """A Spack of its own: prefix, keyring, caches."""

    root: Path

    @property
    def command(self) -> Path:
        return self.root / "bin" / "spack"

    @property
    def gnupghome(self) -> Path:
        return self.root / "off" / "gpg"

    @property
    def lock(self) -> Path:
        return self.root / "env" / "spack.lock"

    @property
    def tree(self) -> Path:
        return self.root / "vol" / "opt"

    @property
    def site(self) -> Path:
        return self.root / "spack" / "etc" / "spack" / "site"

    @property
    def keyring(self) -> dict[str, Any]:
        return {"gnupghome": self.gnupghome, "spack": self.command}

    def facts(self) -> dict[str, Any]:
        """As role spack describes it."""
        return {
            "command": str(self.command),
            "work_dir": str(self.root / "off"),
            "site_dir": str(self.site),
            "version": "1.2.0",
            "user": "root",
        }

    def spack(self, *arguments: str) -> str:
        done = subprocess.run(
            [*NICE, self.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def mirrors(self, **caches: dict[str, str]) -> None:
        """The caches that it asks, as role spack_buildcache writes them."""
        entries = {name: {"source": False, "binary": True, "signed": True, **cache} for name, cache in caches.items()}
        sources = {"url": f"file://{MIRROR}/sources", "source": True, "binary": False}
        (self.site / "mirrors.yaml").write_text(json.dumps({"mirrors:": {**entries, "sources": sources}}))

    def install(self) -> dict[str, str]:
        """Install the environment from nothing: where each package came from, ``cache`` or ``source``."""
        shutil.rmtree(self.tree, ignore_errors=True)
        output = self.spack("-e", str(self.root / "env"), "install", "--fail-fast", "-j", "2")
        assert len(re.findall(r"(?m)^\[\+\] ", output)) >= 3, output
        built = set(re.findall(r"(?m)^\[ \] \S+ ([\w-]+)@\S+ staging", output))
        done = re.findall(r"(?m)^\[\+\] \S+ ([\w-]+)@", output)
        return {name: "source" if name in built else "cache" for name in done}

    def program(self, name: str) -> Path:
        return next(self.tree.rglob(f"bin/{name}"))


def hashes(lock: Path) -> dict[str, str]:
    """Hash by name of what is no external."""
    specs = json.loads(lock.read_text())["concrete_specs"]
    return {spec["name"]: key for key, spec in specs.items() if "external" not in spec}


def write_recipes(target: Path) -> None:
    """A repository of a few upstream recipes, without the dependencies that others would have."""
    wanted = ["build_systems", "repo.yaml", "__init__.py", *(f"packages/{name}" for name in RECIPES)]
    archive = subprocess.run(
        ["git", f"--git-dir={MIRROR}/spack-packages.git", "archive", PACKAGES_REF, "--"]
        + [f"repos/spack_repo/builtin/{path}" for path in wanted],
        check=True,
        capture_output=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(target, filter="data")
    known = {name.replace("_", "-") for name in RECIPES} | {"c", "cxx", "fortran", "libc"}

    class Strip(ast.NodeTransformer):
        def generic_visit(self, node: ast.AST) -> ast.AST:
            super().generic_visit(node)
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [part for part in body if not self.foreign(part)] or [ast.Pass()]  # type: ignore[attr-defined]
            return node

        def foreign(self, part: ast.stmt) -> bool:
            if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Call)):
                return False
            call = part.value
            if not isinstance(call.func, ast.Name) or call.func.id != "depends_on":
                return False
            spec = call.args[0]
            name = re.match(r"[\w-]+", str(spec.value)) if isinstance(spec, ast.Constant) else None
            return name is None or name.group() not in known

    for recipe in target.glob("repos/spack_repo/builtin/packages/*/package.py"):
        recipe.write_text(ast.unparse(Strip().visit(ast.parse(recipe.read_text()))))


def make_instance(root: Path, lab: Path, checkout: Path, padding: int) -> Instance:
    instance = Instance(root)
    for path in ("bin", "env", "off/home", "off/stage", "vol"):
        (root / path).mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", "--shared", checkout, root / "spack"], check=True, capture_output=True)
    instance.site.mkdir(parents=True, exist_ok=True)
    off = f"{root}/off"
    compilers = {"c": "/usr/bin/gcc", "cxx": "/usr/bin/g++"}
    version = subprocess.run(["gcc", "-dumpfullversion"], check=True, capture_output=True, text=True).stdout.strip()
    gcc = {"spec": f"gcc@{version} languages='c,c++'", "prefix": "/usr", "extra_attributes": {"compilers": compilers}}
    settings: dict[str, Any] = {
        "config": {
            "install_tree": {
                "root": str(instance.tree),
                "padded_length": padding,
                "projections": {"all": "{name}-{version}-{hash:7}"},
            },
            "build_stage:": [f"{off}/stage"],
            "source_cache": f"{off}/sources",
            "misc_cache": f"{off}/misc",
        },
        "bootstrap:": {"enable": True, "root": f"{off}/bootstrap", "sources": [], "trusted": {}},
        "concretizer": {"reuse": False, "static_analysis": True, "targets": {"host_compatible": False}},
        "repos:": {"builtin": f"{lab}/recipes/repos/spack_repo/builtin"},
        "packages": {
            "all": {"require": ["target=x86_64"]},
            "gcc": {"buildable": False, "externals": [gcc]},
            "gmake": {"buildable": False, "externals": [{"spec": "gmake@4.3", "prefix": "/usr"}]},
        },
    }
    for name, content in settings.items():
        (instance.site / f"{name.rstrip(':')}.yaml").write_text(json.dumps({name: content}))
    instance.mirrors()
    instance.command.write_text(
        "#!/bin/sh\n"
        f"export LANG=C.UTF-8 HOME={off}/home PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH={lab}/python\n"
        f"export SPACK_PYTHON={sys.executable} SPACK_DISABLE_LOCAL_CONFIG=1 SPACK_USER_CACHE_PATH={off}/cache\n"
        f'export SPACK_GNUPGHOME={off}/gpg\nexec {root}/spack/bin/spack "$@"\n'
    )
    instance.command.chmod(0o755)
    return instance


@dataclass(frozen=True)
class Lab:
    """Two Spacks with different prefixes and paddings; ``first`` has built what ``lock`` says."""

    first: Instance
    second: Instance
    key: Path
    fingerprint: str

    @property
    def lock(self) -> Path:
        return self.first.lock


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    for name in ("spack.git", "spack-packages.git", "sources"):
        if not (MIRROR / name).exists():
            pytest.skip(f"no Spack at hand: {MIRROR / name} is missing")
    missing = [h for h in SOURCES if not list(MIRROR.glob(f"sources/_source-cache/archive/{h[:2]}/{h}.*"))]
    if missing:
        pytest.skip(f"the mirror lacks the source of tree or samblaster: {missing[0]}")
    lab = tmp_path_factory.mktemp("buildcache")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    wheels = ["--find-links", str(MIRROR / "bootstrap")] if (MIRROR / "bootstrap").is_dir() else []
    pip += [*wheels, "--target", str(lab / "python"), "clingo"]
    got = subprocess.run(pip, capture_output=True, text=True, check=False)
    if got.returncode != 0:
        pytest.skip(f"Spack's solver cannot be had: {got.stderr.strip().splitlines()[-1]}")
    checkout = lab / "checkout"
    fetch = ["fetch", "--quiet", "--depth", "1", f"file://{MIRROR}/spack.git", SPACK_REF]
    for arguments in (["init", "--quiet"], fetch, ["checkout", "--quiet", "--detach", "FETCH_HEAD"]):
        checkout.mkdir(exist_ok=True)
        subprocess.run(["git", "-C", checkout, *arguments], check=True, capture_output=True)
    write_recipes(lab / "recipes")
    first = make_instance(lab / "first", lab, checkout, 128)
    second = make_instance(lab / "somewhere-else" / "second", lab, checkout, 192)
    specs = {"specs": ["tree@2.1.0", "samblaster@0.1.26"], "view": False, "concretizer": {"unify": True}}
    (first.root / "env" / "spack.yaml").write_text(json.dumps({"spack": specs}))
    first.spack("-e", str(first.root / "env"), "concretize")
    assert set(first.install().values()) == {"source"}
    for name in ("spack.yaml", "spack.lock"):
        shutil.copy(first.root / "env" / name, second.root / "env" / name)
    key = lab / "keys" / "lab.key"
    made = run_module("spack_buildcache_keys", **first.keyring, signing_key={"file": key, "create": True})
    assert made["changed"]
    assert key.stat().st_mode & 0o077 == 0
    yield Lab(first, second, key, made["signing_key"]["fingerprint"])


def warnings(result: dict[str, Any]) -> list[str]:
    return [warning["event"]["msg"] for warning in result["warnings"]]


def cache_at(path: Path) -> dict[str, Any]:
    return {"name": "site", "url": str(path)}


def fill(lab: Lab, **cache: Any) -> dict[str, Any]:
    """Make a cache and push all that was built."""
    mirror = {key: value for key, value in cache.items() if key == "endpoint_url"}
    url = cache["url"] if "://" in cache["url"] else f"file://{cache['url']}"
    lab.first.mirrors(site={"url": url, **mirror})
    run_module("spack_buildcache", **lab.first.keyring, **cache, state="present", signing_key=lab.fingerprint)
    return run_module(
        "spack_buildcache", **lab.first.keyring, **cache, state="pushed", signing_key=lab.fingerprint, lock=lab.lock
    )


def look(lab: Lab, instance: Instance, **options: Any) -> dict[str, Any]:
    return run_module(
        "spack_buildcache_info", **instance.keyring, trusted=[lab.fingerprint], **{"lock": lab.lock, **options}
    )


def manifest(cache: Path, name: str) -> Path:
    return next(cache.glob(f"v3/manifests/spec/{name}/*.spec.manifest.json"))


def archive(cache: Path, name: str) -> Path:
    """The archive that a package's manifest names first."""
    found = re.search(r'"checksum":"([0-9a-f]{64})"', manifest(cache, name).read_text())
    assert found
    return cache / "blobs" / "sha256" / found.group(1)[:2] / found.group(1)


def names(entries: list[dict[str, Any]]) -> list[str]:
    return sorted(entry["name"] for entry in entries)


EVERYTHING = ["compiler-wrapper", "gcc-runtime", "samblaster", "tree"]


@pytest.fixture(scope="module")
def filled(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in a directory, with everything in it, made and filled step by step."""
    cache = tmp_path_factory.mktemp("site") / "cache"
    options = {**lab.first.keyring, **cache_at(cache)}
    lab.first.mirrors(site={"url": f"file://{cache}"})
    present = {**options, "state": "present", "signing_key": lab.fingerprint}
    assert run_module("spack_buildcache", check=True, **present)["actions"] == ["made", "marked", "key published"]
    assert not cache.exists(), "check mode changes nothing"
    before = look(lab, lab.first, caches=[cache_at(cache)])
    assert "the action init makes it" in warnings(before)[0]
    assert names(before["misses"]) == EVERYTHING
    assert run_module("spack_buildcache", **present)["changed"]
    assert not run_module("spack_buildcache", **present)["changed"]

    pushed = {**options, "state": "pushed", "signing_key": lab.fingerprint, "lock": lab.lock, "seed": "lab"}
    assert names(run_module("spack_buildcache", check=True, **pushed)["pushed"]) == EVERYTHING
    assert names(look(lab, lab.first, caches=[cache_at(cache)])["misses"]) == EVERYTHING
    assert names(run_module("spack_buildcache", **pushed)["pushed"]) == EVERYTHING
    again = run_module("spack_buildcache", **pushed)
    assert not again["changed"]
    assert again["already"] == len(EVERYTHING)

    after = look(lab, lab.first, caches=[cache_at(cache)], verify_archives=True)
    assert names(after["hits"]) == EVERYTHING
    assert after["miss_count"] == after["refused_count"] == 0
    (counted,) = after["caches"]
    assert counted["packages"] == len(EVERYTHING)
    assert counted["bytes"] == sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    assert counted["keys"] == [lab.fingerprint]
    assert counted["seeds"] == ["lab"]
    assert counted["oldest"] <= counted["newest"]
    return cache


def trust(lab: Lab, instance: Instance, cache: Path, **options: Any) -> dict[str, Any]:
    keys = [{"name": "lab", "fingerprint": lab.fingerprint}]
    return run_module("spack_buildcache_keys", **instance.keyring, caches=[cache_at(cache)], keys=keys, **options)


def test_keys_are_trusted_by_fingerprint_and_nothing_else(lab: Lab, filled: Path, tmp_path: Path) -> None:
    home: dict[str, Any] = {"gnupghome": tmp_path / "gpg"}
    stranger = tmp_path / "stranger.key"
    run_module("spack_buildcache_keys", gnupghome=tmp_path / "s", signing_key={"file": stranger, "create": True})
    wanted = {"name": "lab", "fingerprint": lab.fingerprint}
    wrong = fail_module("spack_buildcache_keys", **home, keys=[{**wanted, "file": f"{stranger}.pub"}])
    assert f"expected exactly {lab.fingerprint}" in wrong
    both = tmp_path / "both.pub"
    both.write_text(Path(f"{lab.key}.pub").read_text() + Path(f"{stranger}.pub").read_text())
    assert "expected exactly" in fail_module("spack_buildcache_keys", **home, keys=[{**wanted, "file": both}])
    short = {**wanted, "fingerprint": lab.fingerprint[-16:], "file": f"{lab.key}.pub"}
    assert "is no fingerprint" in fail_module("spack_buildcache_keys", **home, keys=[short])
    nowhere = {**wanted, "fingerprint": "0" * 40}
    missing = fail_module("spack_buildcache_keys", **home, keys=[nowhere], caches=[cache_at(filled)])
    assert "is not published by" in missing

    gpg = ["gpg", "--homedir", str(tmp_path / "gpg"), "--batch"]

    def held() -> list[str]:
        listed = subprocess.run([*gpg, "--list-keys", "--with-colons"], capture_output=True, text=True, check=True)
        return re.findall(r"(?m)^fpr:+([0-9A-F]{40}):", listed.stdout)

    file = {**wanted, "fingerprint": lab.fingerprint.lower(), "file": f"{lab.key}.pub"}
    assert run_module("spack_buildcache_keys", check=True, **home, keys=[file])["changed"]
    assert run_module("spack_buildcache_keys", **home, keys=[file])["changed"]
    assert held() == [lab.fingerprint]
    assert not run_module("spack_buildcache_keys", **home, keys=[file])["changed"]
    subprocess.run([*gpg, "--import", f"{stranger}.pub"], capture_output=True, check=True)
    assert len(held()) == 2
    assert run_module("spack_buildcache_keys", **home, keys=[file])["removed"] != []
    assert held() == [lab.fingerprint], "whoever got in beside us is out again"


def test_another_prefix_and_padding_take_all_from_the_cache(lab: Lab, filled: Path) -> None:
    second = lab.second
    trust(lab, second, filled)
    second.mirrors(site={"url": f"file://{filled}"})
    began = time.monotonic()
    origins = second.install()
    print(f"install from the cache: {time.monotonic() - began:.1f} s")
    assert set(origins.values()) == {"cache"}, origins
    shown = subprocess.run([second.program("tree"), "--version"], capture_output=True, text=True, check=True)
    assert "tree v2.1.0" in shown.stdout
    program = second.program("samblaster").read_bytes()
    assert str(lab.first.root).encode() not in program
    assert len(str(second.program("tree"))) > 192


def test_a_poisoned_cache_is_refused_said_and_built_around(lab: Lab, filled: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(filled, cache)
    unsigned = manifest(cache, "tree")
    body = unsigned.read_text().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
    unsigned.write_text(body)
    foreign = manifest(cache, "compiler-wrapper")
    stranger = run_module(
        "spack_buildcache_keys", gnupghome=tmp_path / "s", signing_key={"file": tmp_path / "s.key", "create": True}
    )["signing_key"]["fingerprint"]
    plain = tmp_path / "plain"
    plain.write_text(foreign.read_text().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0])
    foreign.unlink()
    sign = ["gpg", "--homedir", str(tmp_path / "s"), "--batch", "--clearsign", "--output", str(foreign), str(plain)]
    subprocess.run(sign, check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", tmp_path / "s", "--kill", "all"], check=True)
    damaged = archive(cache, "gcc-runtime")
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)

    second = lab.second
    trust(lab, second, filled)
    second.mirrors(site={"url": f"file://{cache}"})
    before = look(lab, second, caches=[cache_at(cache)])
    assert {entry["name"]: entry["reason"] for entry in before["refused"]} == {
        "tree": "it is not signed",
        "compiler-wrapper": f"it is signed by {stranger}, which is not trusted",
    }
    origins = second.install()
    poisoned = {"tree", "compiler-wrapper", "gcc-runtime"}
    assert {name for name, origin in origins.items() if origin == "source"} == poisoned
    known = hashes(lab.lock)
    built = [known[name] for name, origin in origins.items() if origin == "source"]
    after = look(lab, second, caches=[cache_at(cache)], hashes=built, verify_archives=True)
    reasons = {entry["name"]: entry["reason"] for entry in after["refused"]}
    assert reasons["gcc-runtime"] == "its archive is corrupted: its SHA-256 is not the one that was signed"
    told = [w for w in warnings(after) if w.startswith("gcc-runtime@")]
    assert len(told) == 1
    assert "is refused from build cache site: its archive is corrupted" in told[0]
    assert told[0].endswith("it is built from source")
    subprocess.run([second.program("tree"), "--version"], check=True, capture_output=True)
    # A push puts right what nobody may use.
    lab.first.mirrors(site={"url": f"file://{cache}"})
    healed = run_module(
        "spack_buildcache",
        **lab.first.keyring,
        **cache_at(cache),
        state="pushed",
        signing_key=lab.fingerprint,
        lock=lab.lock,
        replace=[known["gcc-runtime"]],
    )
    assert set(names(healed["pushed"])) == poisoned
    assert healed["replaced"] == 3
    assert names(look(lab, second, caches=[cache_at(cache)], verify_archives=True)["hits"]) == EVERYTHING


def test_a_manifest_in_another_packages_place_is_refused(lab: Lab, filled: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(filled, cache)
    shutil.copy(manifest(cache, "tree"), manifest(cache, "samblaster"))
    found = look(lab, lab.first, caches=[cache_at(cache)])
    (refused,) = found["refused"]
    assert refused["reason"] == f"it is tree/{hashes(lab.lock)['tree'][:7]} under another package's name"
    assert refused["spack_refuses"] is False


def test_clearing_keeps_what_is_needed(lab: Lab, filled: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(filled, cache)
    lab.first.mirrors(site={"url": f"file://{cache}"})
    old = time.time() - 100 * 86400
    for path in cache.rglob("*"):
        os.utime(path, (old, old))
    fresh = time.time()
    for path in (manifest(cache, "tree"), cache / "v3/manifests/index/index.manifest.json"):
        os.utime(path, (fresh, fresh))
    options = {**lab.first.keyring, **cache_at(cache), "state": "pruned", "max_age": "90d"}
    kept = run_module("spack_buildcache", **options)
    assert not kept["changed"]
    assert (kept["removed"], kept["kept_for_seeds"], kept["seeds"]) == ([], 3, ["lab"])
    planned = run_module("spack_buildcache", check=True, **options, forget=["lab"])
    assert [name.rsplit("-", 1)[0] for name in planned["removed"]] == ["compiler-wrapper-1.1.0", "samblaster-0.1.26"]
    assert look(lab, lab.first, caches=[cache_at(cache)])["hit_count"] == len(EVERYTHING)
    done = run_module("spack_buildcache", **options, forget=["lab"])
    assert sorted(done["removed"]) == sorted(planned["removed"])
    assert done["kept_for_packages"] == 1, "tree runs with gcc-runtime"
    assert done["freed_bytes"] > 0
    left = look(lab, lab.first, caches=[cache_at(cache)], verify_archives=True)
    assert names(left["hits"]) == ["gcc-runtime", "tree"]
    assert "samblaster" not in lab.first.spack("buildcache", "list", "--allarch"), "the index was updated"
    assert not run_module("spack_buildcache", **options)["changed"]
    locked = run_module("spack_buildcache", check=True, **{**options, "max_age": "0h"}, keep_locks=[lab.lock])
    assert locked["removed"] == []
    assert len(run_module("spack_buildcache", **{**options, "max_age": "0h"})["removed"]) == 2
    assert look(lab, lab.first, caches=[cache_at(cache)])["hit_count"] == 0


def test_clearing_knows_what_the_index_does_not(lab: Lab, filled: Path, tmp_path: Path) -> None:
    """Packages arrive as they finish, and the index at the end of a build."""
    cache = tmp_path / "cache"
    shutil.copytree(filled, cache)
    lab.first.mirrors(site={"url": f"file://{cache}"})
    old = time.time() - 100 * 86400
    for path in cache.rglob("*"):
        os.utime(path, (old, old))
    os.utime(manifest(cache, "tree"))
    options = {**lab.first.keyring, **cache_at(cache), "state": "pruned", "max_age": "90d", "forget": ["lab"]}
    index = cache / "v3/manifests/index/index.manifest.json"
    for broken in ("{}", None):
        index.unlink() if broken is None else index.write_text(broken)
        planned = run_module("spack_buildcache", check=True, **options)
        assert [name.rsplit("-", 1)[0] for name in planned["removed"]] == [
            "compiler-wrapper-1.1.0",
            "samblaster-0.1.26",
        ]
    done = run_module("spack_buildcache", **options)
    assert (sorted(done["removed"]), done["kept"]) == (sorted(planned["removed"]), 2)
    assert names(look(lab, lab.first, caches=[cache_at(cache)])["hits"]) == ["gcc-runtime", "tree"]
    assert len(re.findall(r"tree@|gcc-runtime@", lab.first.spack("buildcache", "list", "--allarch"))) == 2
    second = lab.second
    trust(lab, second, cache)
    second.mirrors(site={"url": f"file://{cache}"})
    origins = second.install()
    assert {name for name, origin in origins.items() if origin == "cache"} == {"gcc-runtime", "tree"}


def test_what_a_cache_had_of_a_seed_over_time(lab: Lab, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    seed = tmp_path / "seed.yaml"
    software = {"spack_packages": ["tree@2.1.0", "samblaster@0.1.26"]}
    seed.write_text(json.dumps({"cluster": {"name": "trend", "provider": "local"}, "software": software}))
    given = tmp_path / "given.json"
    facts = {"spack_instance": lab.first.facts(), "spack_buildcache_signing_key_file": str(lab.key)}
    given.write_text(json.dumps({**facts, "spack_buildcache_lock": str(lab.lock)}))

    def ask(*more: str, **variables: Any) -> str:
        done = play("cache", "-e", f"@{given}", *more, seed=seed, cache=cache, **variables)
        assert done.rc == 0, done.output
        return done.output

    output = ask(action="build")
    assert re.search(r"(?m)^  20\S+Z  before a build     0 of 4 \(0 %\)$", output), output
    lines = list(cache.glob("petal/history/trend/*-build-*.json"))
    assert len(lines) == 1

    output = ask(action="status")
    assert "trend: 4 of 4 packages are in the caches" in output
    tree = f"tree@2.1.0/{hashes(lab.lock)['tree'][:7]}"
    assert re.search(rf"(?m)^  in site: {re.escape(tree)} \(\d+\.\d MiB\)$", output), "each package with its cache"
    assert list(cache.glob("petal/history/trend/*.json")) == lines, "to look changes nothing"
    manifest(cache, "tree").unlink()
    ask("--check", action="status", record="true")
    assert list(cache.glob("petal/history/trend/*.json")) == lines
    output = ask(action="status", record="true")
    assert f"  to build: {tree}" in output
    assert re.search(r"(?m)^  20\S+Z  asked for          3 of 4 \(75 %\)$", output), output
    assert "missing 2 times: tree" in ask(action="status")
    wrong = play("cache", "-e", f"@{given}", action="status", cache=cache, record="true")
    assert wrong.rc != 0
    assert "it goes with -e action=status and -e seed=FILE" in wrong.output
    # What somebody else has written there is said, and left out.
    (cache / "petal/history/trend/20261130T000000Z-build-0123abcd.json").write_text('{"hits": "many"}')
    output = ask(action="status")
    assert "20261130T000000Z-build-0123abcd.json cannot be read" in output
    assert re.findall(r"(?m)^  20\S+Z  (.{14})  +(\d of \d)", output) == [
        ("before a build", "0 of 4"),
        ("asked for     ", "3 of 4"),
    ]

    # Nobody has built it for long: its packages age like others.
    old = time.time() - 100 * 86400
    for path in cache.rglob("*"):
        os.utime(path, (old, old))
    kept = ask("--check", action="clear", max_age="90d", unused_for="90d")
    assert "0 packages older than 90d would be removed; 3 stay, 3 of them for seeds (trend)" in kept, (
        "the line is young"
    )
    for path in cache.glob("petal/history/trend/*-build-*.json"):
        path.unlink()
    given.write_text(json.dumps(facts))
    variables: dict[str, Any] = {"action": "clear", "cache": cache, "max_age": "90d", "unused_for": "90d"}
    planned = play("cache", "-e", f"@{given}", "--check", **variables)
    assert "3 packages older than 90d would be removed; 0 stay" in planned.output
    assert "  no longer kept for: trend" in planned.output
    assert (cache / "petal/seeds/trend.json").exists()
    cleared = play("cache", "-e", f"@{given}", **variables)
    assert "3 packages older than 90d were removed (" in cleared.output, cleared.output
    assert not list(cache.glob("petal/*/trend*/*")) and not (cache / "petal/seeds/trend.json").exists()


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[str]:
    """The address of a web server that has a directory."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_what_was_built_on_another_system(lab: Lab, filled: Path, tmp_path: Path) -> None:
    """Spack as it calls itself on a newer system, and what an older one has built."""
    other = make_instance(tmp_path / "other", lab.first.root.parent, lab.first.root.parent / "checkout", 192)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text('NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\n')
    command = other.command.read_text().replace("exec ", f"export UNIXCONFDIR={tmp_path}/etc\nexec ")
    other.command.write_text(command)
    assert "ubuntu24.04" in other.spack("arch")
    trust(lab, other, filled)
    other.mirrors(site={"url": f"file://{filled}"})
    pinned = tmp_path / "locks" / "older"
    pinned.mkdir(parents=True)
    shutil.copy(lab.lock, pinned / "spack.lock")
    (pinned / "spack.yaml").write_text("spack: {specs: []}\n")

    def chosen(**settings: Any) -> dict[str, str]:
        """System by name of what Spack chooses with these settings of its solver."""
        site = {"static_analysis": True, "targets": {"host_compatible": False}, "reuse": {"from": [{"type": "local"}]}}
        (other.site / "concretizer.yaml").write_text(json.dumps({"concretizer": {**site, **settings}}))
        shutil.copy(lab.first.root / "env" / "spack.yaml", other.root / "env" / "spack.yaml")
        other.lock.unlink(missing_ok=True)
        other.spack("-e", str(other.root / "env"), "concretize")
        specs = json.loads(other.lock.read_text())["concrete_specs"].values()
        return {one["name"]: one["arch"]["platform_os"] for one in specs if "external" not in one}

    # On Linux this says nothing to Spack, so that no seed may bring it.
    assert set(chosen(os_compatible={"ubuntu24.04": ["debian12"]}).values()) == {"ubuntu24.04"}
    for source in ({"type": "buildcache"}, {"type": "environment", "path": str(pinned)}):
        assert set(chosen(reuse={"from": [{"type": "local"}, source]}).values()) == {"debian12"}
    assert hashes(other.lock) == hashes(lab.lock)
    assert set(other.install().values()) == {"cache"}
    shown = subprocess.run([other.program("tree"), "--version"], capture_output=True, text=True, check=True)
    assert "tree v2.1.0" in shown.stdout

    # No cache has it any more: what Spack would do, and what stops it.
    cache = tmp_path / "cache"
    shutil.copytree(filled, cache)
    manifest(cache, "tree").unlink()
    other.mirrors(site={"url": f"file://{cache}"})
    assert other.install()["tree"] == "source", "Spack builds it, as if this were the older system"
    given = {
        "spack_instance": other.facts(),
        "spack_buildcache_signing_key_file": str(lab.key),
        "spack_buildcache_lock": str(other.lock),
        "spack_concretizer": {"reuse": {"from": [{"type": "environment", "path": str(pinned)}]}},
    }
    lock = json.loads(other.lock.read_text())
    tree = hashes(other.lock)["tree"]
    lock["concrete_specs"][tree]["arch"]["platform_os"] = "ubuntu20.04"
    (tmp_path / "spack.lock").write_text(json.dumps(lock))
    given["spack_buildcache_lock"] = str(tmp_path / "spack.lock")
    refused = play("cache", "-e", json.dumps(given), action="build", cache=cache)
    assert refused.rc != 0
    assert "tree: chosen as built on ubuntu20.04 (spack_concretizer.reuse), and no build cache has it" in refused.output


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The endpoint of a real S3 API."""
    with serve(monkeypatch, tmp_path, SECRET) as endpoint:
        yield endpoint


def test_a_cache_in_s3(lab: Lab, s3: str) -> None:
    cache: dict[str, Any] = {
        "name": "site",
        "url": "s3://lab-spack-cache/bio",
        "endpoint_url": s3,
        "region": "eu-central-1",
    }
    missing = look(lab, lab.first, caches=[cache])
    assert "the action init makes it" in missing["caches"][0]["problem"]
    assert names(fill(lab, **cache)["pushed"]) == EVERYTHING
    found = look(lab, lab.first, caches=[cache], verify_archives=True)
    assert names(found["hits"]) == EVERYTHING
    assert found["caches"][0]["packages"] == len(EVERYTHING)
    assert found["caches"][0]["keys"] == [lab.fingerprint]
    listed = look(lab, lab.first, caches=[cache], lock=None, packages=True)
    assert names(listed["packages"]) == EVERYTHING
    tree = next(one for one in listed["packages"] if one["name"] == "tree")
    assert (tree["hash"], tree["compiler"][:4]) == (hashes(lab.lock)["tree"], "gcc@")

    second = lab.second
    second.mirrors(site={"url": cache["url"], "endpoint_url": s3})
    shutil.rmtree(second.gnupghome, ignore_errors=True)
    keys = [{"name": "lab", "fingerprint": lab.fingerprint}]
    run_module("spack_buildcache_keys", **second.keyring, caches=[cache], keys=keys)
    assert set(second.install().values()) == {"cache"}

    cleared = run_module("spack_buildcache", **lab.first.keyring, **cache, state="pruned", max_age="0h")
    assert len(cleared["removed"]) == len(EVERYTHING)
    assert cleared["freed_bytes"] > 10_000_000
    for text in (SECRET, base64.b64encode(SECRET.encode()).decode()):
        search = ["grep", "-rlF", text, str(lab.first.root.parent)]
        leaked = subprocess.run(search, capture_output=True, text=True, check=False)
        assert leaked.stdout == ""


def test_buckets_in_other_regions_than_the_cluster(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"

    def write(**place: str) -> None:
        cache = {"s3_bucket": "lab-near", "s3_prefix": "/caches/bio/", **place}
        software = {"spack_packages": ["tree@2.1.0"], "binary_cache": cache}
        cluster = {"name": "abroad", "provider": "local", "region": "us-east-1"}
        seed.write_text(json.dumps({"cluster": cluster, "software": software}))

    given: dict[str, Any] = {
        "spack_buildcache_lock": str(lab.lock),
        "spack_buildcache_keys": [{"name": "lab", "fingerprint": lab.fingerprint}],
        "spack_buildcache_mirrors": [{"name": "far", "url": "s3://lab-far/", "region": "us-west-2"}],
    }
    of_first = {"spack_instance": lab.first.facts(), "spack_buildcache_signing_key_file": str(lab.key)}
    of_second = {"spack_instance": lab.second.facts(), "spack_buildcache_signing_key_file": ""}

    def ask(of: dict[str, Any], **variables: Any) -> Run:
        return play("cache", "-e", json.dumps({**given, **of}), seed=seed, **variables)

    with serve(monkeypatch, tmp_path, SECRET, regional=True) as endpoint:
        write(s3_region="eu-central-1")
        far = ask({**of_first, "spack_buildcache_push": "far"}, action="build")
        assert "Pushed 4 packages" in far.output, far.output
        near = ask(of_first, action="build")
        assert "Pushed 0 packages" not in near.output, near.output
        client = boto3.client("s3", region_name="us-east-1")
        assert client.meta.endpoint_url == endpoint
        where = {
            name: client.get_bucket_location(Bucket=name)["LocationConstraint"] for name in ("lab-near", "lab-far")
        }
        assert where == {"lab-near": "eu-central-1", "lab-far": "us-west-2"}
        held = client.list_objects_v2(Bucket="lab-near")["Contents"]
        assert {item["Key"].split("/v3/")[0].split("/petal/")[0].split("/blobs/")[0] for item in held} == {"caches/bio"}

        # Each package comes from where it is, the one that is nearer by its place in the order first.
        gone = next(item["Key"] for item in held if "/spec/tree/" in item["Key"])
        client.delete_object(Bucket="lab-near", Key=gone)
        shutil.rmtree(lab.second.gnupghome, ignore_errors=True)
        found = ask(of_second, action="status")
        assert "abroad: 4 of 4 packages are in the caches" in found.output, found.output
        assert re.search(r"(?m)^  in far: tree@", found.output)
        assert len(re.findall(r"(?m)^  in seed: ", found.output)) == 3
        with monkeypatch.context() as patch:
            patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
            assert set(lab.second.install().values()) == {"cache"}

        write()
        wrong = ask(of_second, action="status")
        assert wrong.rc != 0
        said = "(s3://lab-near/caches/bio): the bucket is in Region eu-central-1, not in us-east-1. Write where it is: "
        assert f"{said}s3_region in binary_cache of the seed" in wrong.output, wrong.output
        write(s3_region="eu-central-1")
        other = json.dumps(
            {**given, **of_first, "spack_buildcache_mirrors": [], "spack_buildcache_region": "us-east-1"}
        )
        wrong = play("cache", "-e", other, cache="s3://lab-far", action="clear", max_age="0h")
        assert wrong.rc != 0, wrong.output
        assert "the bucket is in Region us-west-2" in wrong.output


def test_the_playbook(lab: Lab, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    given = tmp_path / "given.json"
    given.write_text(
        json.dumps(
            {
                "spack_instance": lab.first.facts(),
                "spack_buildcache_signing_key_file": str(lab.key),
                "spack_buildcache_lock": str(lab.lock),
            }
        )
    )
    extra = ["-e", f"@{given}"]
    built = play("cache", *extra, action="build", cache=cache)
    assert built.rc == 0, built.output
    assert "4 of 4 packages are in the caches" in built.output
    assert "Pushed 4 packages" in built.output
    assert f"publishes keys: {lab.fingerprint}" in built.output
    cleared = play("cache", *extra, "--check", action="clear", cache=cache, max_age="0h")
    assert cleared.rc == 0, cleared.output
    assert "0 packages older than 0h would be removed; 4 stay, 4 of them for seeds" in cleared.output
    wrong = play("cache", *extra, action="sweep", cache=cache)
    assert wrong.rc != 0
    assert "expected -e action=status, list, init, build or clear" in wrong.output
    listed = play("cache", *extra, action="list", cache=cache, text="t*e")
    assert listed.rc == 0, listed.output
    assert re.search(r"(?m)^tree +2\.1\.0 +[a-z2-7]{7} +\S+ +\S+ +\S+ +20\d\d-\d\d-\d\d +- +site$", listed.output)
    assert "packages are in the caches" not in listed.output, "nothing is asked of the seed"
    mirrors = yaml.safe_load((lab.first.site / "mirrors.yaml").read_text())
    assert mirrors["mirrors:"]["site"] == {"url": f"file://{cache}", "source": False, "binary": True, "signed": True}
    assert mirrors["mirrors:"]["sources"]["binary"] is False


def test_a_public_cache_by_name_and_its_pinned_key(lab: Lab, filled: Path, tmp_path: Path) -> None:
    public = tmp_path / "public"
    shutil.copytree(filled, public / "develop")
    given = {
        "spack_instance": lab.second.facts(),
        "spack_buildcache_signing_key_file": "",
        "spack_buildcache_lock": str(lab.lock),
        "spack_buildcache_public": ["spack-develop"],
        "spack_buildcache_public_url": str(public),
    }
    right = json.dumps({**given, "spack_buildcache_public_fingerprint": lab.fingerprint})
    found = play("cache", "-e", right, action="status")
    assert found.rc == 0, found.output
    assert f"spack-develop: file://{public}/develop" in found.output
    assert "4 of 4 packages are in the caches" in found.output
    # Somebody's own key in the place of the one that is pinned.
    keys = public / "develop" / "v3" / "manifests" / "key"
    pinned = yaml.safe_load((ROOT / "roles/spack_buildcache/defaults/main.yml").read_text())
    wanted = pinned["spack_buildcache_public_fingerprint"]
    shutil.copy(keys / f"{lab.fingerprint}.key.manifest.json", keys / f"{wanted}.key.manifest.json")
    wrong = play("cache", "-e", json.dumps(given), action="status")
    assert wrong.rc != 0
    assert f"holds {lab.fingerprint}; expected exactly {wanted}. Nothing was imported" in wrong.output


def test_a_public_cache_in_one_line_with_its_key(lab: Lab, filled: Path, tmp_path: Path) -> None:
    public = tmp_path / "public"
    shutil.copytree(filled, public / "stack")
    shutil.rmtree(lab.second.gnupghome, ignore_errors=True)
    given = {
        "spack_instance": lab.second.facts(),
        "spack_buildcache_signing_key_file": "",
        "spack_buildcache_lock": str(lab.lock),
    }
    with serving(public) as address:
        line = f"{address}/stack/ {lab.fingerprint[:20]} {lab.fingerprint[20:].lower()}"
        found = play("cache", "-e", json.dumps({**given, "spack_buildcache_public": [line]}), action="status")
        assert found.rc == 0, found.output
        assert "4 of 4 packages are in the caches" in found.output
        assert set(lab.second.install().values()) == {"cache"}
        # The same place, where the key is another one than was named.
        other = "2C8DD3224EF3573A42BD221FA8E0CA3C1C2ADA2F"
        keys = public / "stack" / "v3" / "manifests" / "key"
        (keys / f"{lab.fingerprint}.key.manifest.json").rename(keys / f"{other}.key.manifest.json")
        differs = json.dumps({**given, "spack_buildcache_public": f"{address}/stack {other}"})
        wrong = play("cache", "-e", differs, action="status")
        assert wrong.rc != 0
        assert f"holds {lab.fingerprint}; expected exactly {other}. Nothing was imported" in wrong.output
        unnamed = play("cache", "-e", json.dumps({**given, "spack_buildcache_public": f"{address}/stack"}))
        assert unnamed.rc != 0
        assert f"spack_buildcache_public names {address}/stack and no key" in unnamed.output
        filled_by_us = play("cache", "-e", json.dumps({**given, "spack_buildcache_public": line}), action="build")
        assert "No build cache is named: give -e cache=DIRECTORY" in filled_by_us.output, "it is not ours to write to"


@pytest.mark.parametrize("action", ["status", "build"])
def test_a_host_of_another_system_is_not_asked_what_a_cache_has_of_a_seed(action: str, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    cluster = {"name": "away", "region": "us-east-1", "os": "rhel9"}
    seed.write_text(json.dumps({"cluster": cluster, "software": {"spack_packages": ["zlib"]}}))
    done = play("cache", seed=seed, action=action, cache=tmp_path / "cache")
    assert done.rc != 0, done.output
    assert "is for rhel9 on x86_64, and localhost is another host: its operating system is" in done.output, done.output
    assert "-e build_host=HOST" in done.output and not (tmp_path / "cache").exists()
