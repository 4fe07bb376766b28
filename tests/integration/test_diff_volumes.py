# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changed from one volume to the next, with the playbook, and what its module makes of stores of any kind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from modules import fail_module, run_module
from playing import ROOT, command, environment, leftovers, play
from stored import ID, put

SEED = """\
cluster: {{name: diff-test, provider: local}}
shared_storage: [{{name: software, mount_dir: /petal-diff-test, ebs_settings: {{size: 1}}}}]
software:
  python_environments:
    - {{name: small, version: "1", packages: {packages}}}
"""
NEWER = "snap-0123456789abcdef1"


def handed_on(**variables: Any) -> dict[str, Any]:
    """``petal_diff`` as AWX gets it."""
    shown = environment(
        ANSIBLE_SHOW_CUSTOM_STATS="true",
        ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default",
        ANSIBLE_CALLBACK_RESULT_FORMAT="json",
    )
    told = command("diff_volumes", **variables)
    ran = subprocess.run(told, cwd=ROOT, env=shown, capture_output=True, text=True, check=True)
    _before, stats = ran.stdout.split("CUSTOM STATS:", 1)
    found: dict[str, Any] = json.loads(stats[stats.index("{") : stats.rindex("}") + 1])["petal_diff"]
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="volumes need root")
def test_what_changed_from_seed_to_seed(store: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(SEED.format(packages='["six==1.16.0", "idna==3.10"]'))
    built = play("build_volume", seed=seed, store=store)
    assert built.rc == 0, built.output
    assert "changed  " not in built.output
    deployed = [play("deploy_cluster", seed=seed, store=store)]
    seed.write_text(SEED.format(packages='["six==1.17.0", "packaging==25.0"]'))
    # Before it is built: what it would be made from.
    ahead = play("diff_volumes", "--check", seed=seed, store=store)
    assert ahead.rc == 0, ahead.output
    for line in ("packages six ==1.16.0 → ==1.17.0", "- python_environments small/1 packages idna ==3.10"):
        assert line in ahead.output
    assert "not compared: packages, container images, packages inside of images, modules, " in ahead.output
    would = play("build_volume", "--check", seed=seed, store=store)
    assert re.search(r"  changed +since snap-\w+ of diff-test.*\n.*asked for: 1 added", would.output), would.output
    built = play("build_volume", seed=seed, store=store)
    assert built.rc == 0, built.output
    assert re.search(r"  changed +since snap-\w+ of diff-test", built.output), built.output
    assert "  ~ six 1.16.0 → 1.17.0" in built.output
    old, new = sorted(
        (entry.name for entry in store.glob("snapshots/snap-*")),
        key=lambda name: json.loads((store / "snapshots" / name / "sequence.json").read_text())["sequence"],
    )
    for given in ({"seed": seed}, {"snapshot_id": new, "since": old}):
        told = play("diff_volumes", store=store, **given)
        assert told.rc == 0, told.output
        for line in ("  - idna 3.10", "  + packaging 25.0", "  ~ six 1.16.0 → 1.17.0", "modules: 1 changed"):
            assert line in told.output, told.output
        assert "not compared" not in told.output
    back = play("diff_volumes", seed=seed, store=store, since=new)
    assert "Nothing differs." in back.output
    deployed.append(play("deploy_cluster", seed=seed, store=store))
    would = play("deploy_cluster", "--check", seed=seed, store=store, rollback="true")
    back = play("deploy_cluster", seed=seed, store=store, rollback="true")
    gone = play("delete_cluster", seed=seed, store=store)
    for done in (*deployed, would, back, gone):
        assert done.rc == 0, done.output
    assert "Changes since" not in deployed[0].output
    assert f"Changes since {old} of diff-test" in deployed[1].output
    assert "  ~ six 1.16.0 → 1.17.0" in deployed[1].output
    assert re.search(rf"  changes +since {new} of diff-test", would.output), would.output
    for done in (would, back):
        assert "  ~ six 1.17.0 → 1.16.0" in done.output
    assert f"Changes since {new} of diff-test" in back.output
    assert leftovers(store) == []
    found = handed_on(snapshot_id=new, store=store)
    assert found["packages"] == {
        "added": [{"name": "packaging", "new": "25.0"}],
        "removed": [{"name": "idna", "old": "3.10"}],
        "changed": [{"name": "six", "old": "1.16.0", "new": "1.17.0"}],
        "same": 0,
    }
    assert (found["different"], found["same_fingerprint"], found["not_compared"]) == (True, False, [])
    assert found["locks"]["changed"][0]["name"] == ".petal/locks/python-small-1.txt"
    assert found["components"]["same"] > 0
    # What is left of it where the old one has come from elsewhere, by the module.
    assert difference(store, new, old) == found
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(store / "snapshots", elsewhere / "snapshots")
    (elsewhere / "snapshots" / old / "manifest.json").unlink()
    imported = difference(elsewhere, new, old)
    assert (imported["modules"], imported["packages"]) == (None, found["packages"])
    assert [old in one for one in imported["not_compared"]] == [True]
    # A provenance of something else is none.
    shutil.copy(elsewhere / "snapshots" / new / "provenance.json", elsewhere / "snapshots" / old)
    wrong = difference(elsewhere, new, old)
    assert (wrong["asked"], wrong["packages"]["changed"]) == (None, found["packages"]["changed"])
    assert "counts for nothing" in " ".join(wrong["not_compared"])


def difference(store: Path, new: str, since: str = "") -> dict[str, Any]:
    result = run_module("local_snapshot_diff_info", store=store, snapshot=new, since=since)
    assert not result["changed"]
    found: dict[str, Any] = result["difference"]
    return found


def test_what_an_earlier_release_has_built(tmp_path: Path) -> None:
    put(tmp_path, b"x" * 5000, packages=["six@1.16.0", "idna@3.10"])
    put(tmp_path, b"x" * 9000, NEWER, packages=["six@1.17.0", "idna@3.10"], created="2026-02-28T12:00:00Z")
    found = difference(tmp_path, NEWER)
    assert found["packages"] == {
        "added": [],
        "removed": [],
        "changed": [{"name": "six", "old": "1.16.0", "new": "1.17.0"}],
        "same": 1,
    }
    assert found["sizes"]["changed"] == [{"name": "archive", "old": "4.9 KiB", "new": "8.8 KiB"}]
    assert found["modules"] is None
    assert len(found["not_compared"]) == 1
    assert "builds of packages: snap-" in found["not_compared"][0]


def test_what_is_not_there(tmp_path: Path) -> None:
    put(tmp_path, b"x")
    asked: dict[str, Any] = {"store": tmp_path}
    assert "list_volumes" in fail_module("local_snapshot_diff_info", **asked, snapshot=NEWER)
    alone = run_module("local_snapshot_diff_info", **asked, snapshot=ID)
    assert "no earlier snapshot" in alone["nothing_to_compare"]
    assert (alone["difference"], alone["brief"], alone["report"]) == (None, [], [alone["nothing_to_compare"]])
    refused = play("diff_volumes", store=tmp_path, snapshot_id=ID)
    assert refused.rc == 2
    assert "no earlier snapshot of the name" in refused.output
    assert "seed_info" in fail_module("local_snapshot_diff_info", **asked, plan={"name": "quickstart"})


def test_nothing_says_what_is_meant() -> None:
    refused = play("diff_volumes")
    assert refused.rc == 2
    assert "Nothing says which snapshot is meant" in refused.output
