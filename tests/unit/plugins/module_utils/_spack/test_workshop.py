from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import SpackError
from ansible_collections.petal.hpc.plugins.module_utils._spack.workshop import Workshop, installed_only

WORKSHOP = Workshop.below("/var/cache/petal/own", "/var/cache/petal/spack/envs/a", 128)
OTHERS = {"lab": {"url": "s3://lab/cache", "exclude_binary": ["zlib"]}}


def test_environments_share_the_cache_and_no_store() -> None:
    other = Workshop.below("/var/cache/petal/own", "/var/cache/petal/spack/envs/b", 128)
    assert WORKSHOP.cache == other.cache == "/var/cache/petal/own/packages"
    assert WORKSHOP.store != other.store
    assert len(WORKSHOP.store) == len("/var/cache/petal/own/stores/") + 12


def test_prefixes_where_packages_are_built_are_never_shorter_than_those_they_are_for() -> None:
    lengths = [
        json.loads(Workshop("/c", "/s", padded).config("/m" * 40))["config"]["install_tree"]["padded_length"]
        for padded in (0, 64, 128)
    ]
    assert lengths == [81, 81, 128]


def test_the_cache_is_asked_beside_the_mirrors_that_are_configured() -> None:
    mirrors = json.loads(WORKSHOP.mirrors({}, [], building=True))["mirrors"]
    assert list(mirrors) == ["petal-own"]
    assert mirrors["petal-own"]["autopush"]
    assert mirrors["petal-own"]["signed"]


def test_what_shall_be_built_is_taken_from_no_cache_while_it_is_built_and_from_this_one_then() -> None:
    building = json.loads(WORKSHOP.mirrors(OTHERS, ["zlib"], building=True))["mirrors:"]
    moving = json.loads(WORKSHOP.mirrors(OTHERS, ["zlib"], building=False))["mirrors:"]
    assert list(building) == list(moving) == ["petal-own", "lab"]
    assert building["petal-own"]["fetch"]["exclude_binary"] == ["zlib"]
    assert "fetch" not in moving["petal-own"]
    assert "autopush" not in moving["petal-own"]
    assert building["lab"] == moving["lab"] == OTHERS["lab"]


def test_another_store_is_shown_what_is_installed_alone() -> None:
    def record(installed: bool, *needs: str) -> dict[str, Any]:
        spec = {"name": "x", "dependencies": [{"name": "x", "hash": one} for one in needs]}
        return {"spec": spec, "installed": installed, "path": "/x"}

    installs = {"a": record(True, "b", "c"), "b": record(False), "c": record(True)}
    shown = json.loads(installed_only(json.dumps({"database": {"version": "8", "installs": installs}})))["database"]
    assert (shown["version"], sorted(shown["installs"])) == ("8", ["a", "c"])
    assert [one["hash"] for one in shown["installs"]["a"]["spec"]["dependencies"]] == ["c"]
    for wrong in ("", "[]", "{}", '{"database": {"installs": []}}', '{"database": {"installs": {"a": []}}}'):
        with pytest.raises(SpackError, match="is not what Spack writes"):
            installed_only(wrong)
