"""Packages that are built off the volume, kept in the host's own cache, and brought to the volume from there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules import run_module
from spack_lab import Lab, fail, kill, made_at, members, origins, run, wait_for, warnings

PADDING = "__spack_path_placeholder__"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    for lab in made_at(tmp_path_factory.mktemp("workshop")):
        settings = lab.site / "config.yaml"
        settings.write_text(settings.read_text().replace('"padded_length": 128', '"padded_length": 0'))
        keyring = lab.work_dir / "gpg"
        named = f"SPACK_GNUPGHOME={keyring} SPACK_PYTHON="
        lab.command.write_text(lab.command.read_text().replace("SPACK_PYTHON=", named))
        run_module("spack_buildcache_keys", gnupghome=keyring, signing_key={"file": lab.root / "key", "create": True})
        yield lab


def arguments(lab: Lab, name: str, *specs: str, **more: Any) -> dict[str, Any]:
    return lab.arguments(name, *specs, cache_dir=lab.root / "own", **more)


def test_what_was_chosen_once_is_taken_again_until_a_recipe_changes(lab: Lab) -> None:
    recipes = lab.root / "spack_repo" / "petal_test"
    settings, command = lab.site / "concretizer.yaml", lab.command.read_text()
    before = settings.read_text()
    settings.write_text(before.replace('"reuse": true', '"reuse": {"from": [{"type": "local"}]}'))
    lab.command.write_text(command.replace("#!/bin/sh\n", f"#!/bin/sh\nSPACK_PYTHON={sys.executable}\n"))
    decided_by = [lab.root / "spack", lab.root / "packages", recipes]

    def chosen(name: str) -> tuple[int, list[str]]:
        found = run(**arguments(lab, name, "petal-slow", state="concretized", decided_by=decided_by))
        return found["environment"]["solves"], [item["hash"] for item in found["environment"]["packages"]]

    try:
        first = chosen("first")
        asked = lab.calls()
        again = chosen("again")
        assert (first[0], again) == (1, (0, first[1]))
        assert lab.calls() == asked, "Spack need not be asked"
        recipe = recipes / "packages" / "petal_quick" / "package.py"
        recipe.write_text(recipe.read_text().replace("default=False", "default=True", 1))
        assert chosen("anew")[1] != first[1]
        recipe.write_text(recipe.read_text().replace("default=True", "default=False", 1))
        assert chosen("as-it-was") == again
    finally:
        settings.write_text(before)
        lab.command.write_text(command)


def kept(lab: Lab) -> list[str]:
    """Names of what the host's own cache has."""
    return sorted(path.parent.name for path in (lab.root / "own").glob("packages/v3/manifests/spec/*/*.json"))


def left(lab: Lab) -> list[str]:
    """What still runs of a session that has ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            marked = b"PETAL_DETACHED=1" in (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if marked and str(lab.root) in command:
                found.append(command)
    return found


def throw_away(lab: Lab, name: str) -> None:
    """What becomes of a volume whose build failed: it is gone, with the files of its environment."""
    shutil.rmtree(lab.tree, ignore_errors=True)
    shutil.rmtree(lab.environment(name), ignore_errors=True)


def prefix_of(result: dict[str, Any], name: str) -> Path:
    return next(Path(item["prefix"]) for item in result["environment"]["packages"] if item["name"] == name)


def test_what_is_built_once_is_never_built_again(lab: Lab) -> None:
    given = arguments(lab, "once", "petal-rooted")
    built = run(**given)
    assert set(origins(built).values()) == {"source"}
    assert "petal-rooted" in kept(lab)
    prefix = prefix_of(built, "petal-rooted")
    assert PADDING not in str(prefix)
    # The path that is compiled in is the one on the volume, not the one where it was built.
    said = subprocess.run([prefix / "bin" / "petal-rooted"], capture_output=True, text=True, check=True).stdout
    assert Path("/", said.strip().lstrip("/")) == prefix
    assert not list((lab.root / "own" / "stores").glob("*"))
    # GnuPG's agent would hold the volume.
    assert left(lab) == []
    again = run(**given)
    assert not again["changed"]
    assert set(origins(again).values()) == {"source"}

    builds = lab.builds()
    throw_away(lab, "once")
    planned = run(check=True, **given)
    assert set(origins(planned).values()) == {"cache"}
    taken = run(**given)
    assert set(origins(taken).values()) == {"cache"}
    assert lab.builds() == builds


def as_a_base(lab: Lab, volume: dict[str, Any], number: str) -> None:
    """Forget what is on the volume, as on one that was made from a snapshot, and note it as what came from there."""
    packages = {
        item["hash"]: str(Path(item["prefix"]).relative_to(lab.tree))
        for item in volume["environment"]["packages"]
        if item["origin"] != "external"
    }
    record = {"schema": 1, "id": number, "snapshot_id": "", "cleared": True, "packages": packages}
    (lab.root / "base.json").write_text(json.dumps(record))
    shutil.rmtree(lab.tree / ".spack-db")


def test_what_a_volume_began_with_counts_as_used_in_the_cache(lab: Lab) -> None:
    volume = run(**arguments(lab, "before", "petal-rooted"))
    manifests = list((lab.root / "own" / "packages" / "v3" / "manifests" / "spec").rglob("*.json"))
    for path in manifests:
        os.utime(path, (1, 1))
    as_a_base(lab, volume, "0")
    given = arguments(lab, "reused", "petal-rooted", base=lab.root / "base.json")
    run(check=True, **given)
    assert {path.stat().st_mtime for path in manifests} == {1}
    made = run(**given)
    assert set(origins(made).values()) == {"base"}
    assert {path.parent.name for path in manifests if path.stat().st_mtime > 1} == set(origins(made))
    throw_away(lab, "reused")


def test_what_is_on_the_volume_and_in_no_cache_is_not_built_again(lab: Lab) -> None:
    volume = run(**arguments(lab, "there", "petal-rooted"))
    prefix = prefix_of(volume, "petal-quick")
    # On a host whose cache has nothing.
    as_a_base(lab, volume, "1")
    builds = lab.builds()
    given = arguments(lab, "more", "petal-slow", base=lab.root / "base.json")
    made = run(**{**given, "cache_dir": lab.root / "another"})
    came = origins(made)
    assert (came["petal-quick"], came["petal-slow"]) == ("base", "source")
    assert lab.builds()[len(builds) :] == ["slow"]
    assert prefix_of(made, "petal-quick") == prefix
    assert prefix_of(made, "petal-slow").is_dir()
    assert not run(**{**given, "cache_dir": lab.root / "another"})["changed"]
    throw_away(lab, "more")


def test_the_wrapper_of_compilers_is_there_for_users_where_it_can_be_had(lab: Lab) -> None:
    given = arguments(lab, "users", "petal-quick")
    built = run(**given)
    wrapper = prefix_of(built, "compiler-wrapper")
    assert lab.tree in wrapper.parents
    # Its programs are links to it, wherever it was built.
    assert (wrapper / "libexec" / "spack" / "gcc" / "gcc").resolve() == (wrapper / "libexec" / "spack" / "cc").resolve()
    told = {item["name"]: item for item in built["environment"]["packages"]}["compiler-wrapper"]
    assert not told["explicit"]
    assert lab.spack("find", "--format", "{name}", "--explicit").split() == ["petal-quick"]
    throw_away(lab, "users")
    assert origins(run(**given))["compiler-wrapper"] == "cache"

    # A site that has packages in its cache and nothing of what builds them, without a network.
    throw_away(lab, "users")
    for path in (lab.root / "own").glob("packages/v3/manifests/spec/compiler-wrapper/*"):
        path.unlink()
    shutil.rmtree(lab.work_dir / "source")
    settings, command = lab.site / "mirrors.yaml", lab.command.read_text()
    before = settings.read_text()
    nowhere = "".join(f"{name}_proxy=http://127.0.0.1:9 " for name in ("http", "https"))
    lab.command.write_text(command.replace("exec env -i ", f"exec env -i {nowhere}"))
    settings.write_text(json.dumps({"mirrors:": {}}))
    try:
        taken = run(**given)
        assert set(origins(taken)) == {"petal-quick", "gcc-runtime"}
        assert any("who compiles on top with a Spack of their own" in said for said in warnings(taken))
        assert not run(**given)["changed"]
        assert "1 of the " in fail(**arguments(lab, "users-too", "petal-side"))["msg"]
    finally:
        settings.write_text(before)
        lab.command.write_text(command)
    throw_away(lab, "users")


def test_a_cache_that_is_too_large_loses_what_was_used_longest_ago_and_nothing_of_a_build(lab: Lab) -> None:
    """What is used counts from then on, whenever it was built."""
    given = arguments(lab, "limited", "petal-rooted")
    run(**given)
    manifests = (lab.root / "own" / "packages" / "v3" / "manifests" / "spec").rglob("*.json")
    for path in manifests:
        os.utime(path, (1, 1))
    run(**arguments(lab, "other", "petal-side"))
    throw_away(lab, "limited")
    taken = run(**given, cache_limit=0.000001)
    assert set(origins(taken).values()) == {"cache"}
    assert "petal-rooted" in kept(lab)
    assert any("more than the 1.0 KiB that it may have" in said for said in warnings(taken))
    needed = {"petal-rooted", *origins(taken)}
    assert set(kept(lab)) <= needed | {"petal-side", "compiler-wrapper", "gcc-runtime"}


def test_what_was_finished_outlives_a_build_that_failed(lab: Lab) -> None:
    given = arguments(lab, "failing", "petal-slow", "petal-broken", fail_fast=False)
    told = fail(**given)
    assert "petal-broken@1.0 did not build" in told["msg"]
    assert "petal-slow" in kept(lab)
    assert "petal-broken" not in kept(lab)
    assert left(lab) == []
    assert not list((lab.root / "own" / "stores").glob("*"))
    throw_away(lab, "failing")
    builds = lab.builds()
    taken = run(**arguments(lab, "failing", "petal-slow"))
    assert set(origins(taken).values()) == {"cache"}
    assert lab.builds() == builds


def test_what_was_finished_outlives_a_build_that_was_killed(lab: Lab) -> None:
    given = arguments(lab, "killed", "petal-side", "petal-endless", wait_s=0)
    run(**given)
    wait_for(lambda: "petal-side" in kept(lab))
    session = lab.session("killed")
    kill(members(session))
    wait_for(lambda: not members(session))
    throw_away(lab, "killed")
    builds = lab.builds()
    taken = run(**arguments(lab, "killed", "petal-side"))
    assert set(origins(taken).values()) == {"cache"}
    assert lab.builds() == builds


def test_what_shall_be_built_is_built_and_the_rest_comes_from_the_cache(lab: Lab) -> None:
    given = arguments(lab, "source", "petal-quick", build_from_source=["petal-rooted"])
    run(**arguments(lab, "source", "petal-rooted"))
    throw_away(lab, "source")
    before = lab.builds()
    built = run(**given)
    assert origins(built)["petal-rooted"] == "source"
    assert origins(built)["petal-quick"] == "cache"
    assert lab.builds() == [*before, "rooted"]


def test_what_the_cache_has_damaged_is_built_again_and_said(lab: Lab) -> None:
    given = arguments(lab, "damaged", "petal-rooted")
    run(**given)
    throw_away(lab, "damaged")
    (manifest,) = (lab.root / "own").glob("packages/v3/manifests/spec/petal-rooted/*.json")
    manifest.write_text(manifest.read_text().replace('"checksum":"', '"checksum":"0'))
    before = lab.builds()
    built = run(**given)
    assert origins(built)["petal-rooted"] == "source"
    assert origins(built)["petal-quick"] == "cache"
    assert lab.builds() == [*before, "rooted"]
    told = [text for text in warnings(built) if "although a cache has it" in text]
    assert told == [
        "petal-rooted@1.0 was built from source although a cache has it: what it has is damaged, or signed by nobody "
        "who is trusted here."
    ]
    # What was built has taken its place.
    throw_away(lab, "damaged")
    assert set(origins(run(**given)).values()) == {"cache"}


def test_without_padding_what_was_built_can_still_be_moved(lab: Lab) -> None:
    shutil.rmtree(lab.root / "own")
    throw_away(lab, "short")
    built = run(**arguments(lab, "short", "petal-rooted", padded_length=0))
    assert set(origins(built).values()) == {"source"}
    prefix = prefix_of(built, "petal-rooted")
    said = subprocess.run([prefix / "bin" / "petal-rooted"], capture_output=True, text=True, check=True).stdout
    assert Path("/", said.strip().lstrip("/")) == prefix
