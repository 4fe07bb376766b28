# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshot a cluster is to use, and what to do about one that is not trusted any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._volume.model import VolumeError
from ansible_collections.petal.hpc.plugins.module_utils._volume.target import Asked, There, target, ways_on

OLD, NEW, FOUND = "snap-" + "a" * 17, "snap-" + "b" * 17, "snap-" + "c" * 17
SEEDS = "sha256:" + "f" * 64


def volume(snapshot_id: str) -> dict[str, Any]:
    """A deployed one, whose software bears a fingerprint of its own."""
    tags = {"petal:cluster": "Bio", "petal:fingerprint": f"sha256:{snapshot_id[-1] * 64}"}
    return {"name": f"bio-{snapshot_id[5:13]}", "snapshot_id": snapshot_id, "tags": tags}


THERE = There((volume(OLD), volume(NEW)), {OLD: "nobody signed it"}, NEW, OLD, "/opt/slurm/bin/scontrol")
ASKED = Asked("Bio", SEEDS, FOUND, versions="/srv/petal/Bio", signatures={OLD: "SIGNED"})


def test_what_was_found_of_the_seed_is_used() -> None:
    assert target(THERE, ASKED) == {
        "snapshot_id": FOUND,
        "fingerprint": SEEDS,
        "volume": "bio-cccccccc",
        "directory": f"/srv/petal/Bio/{FOUND}",
        "signatures": "",
        "current": NEW,
        "previous": OLD,
        "scontrol": "/opt/slurm/bin/scontrol",
        "volumes": [volume(OLD), volume(NEW)],
        "untrusted": {OLD: "nobody signed it"},
    }


def test_what_is_deployed_can_be_named_and_brings_its_own_fingerprint() -> None:
    named = target(THERE, replace(ASKED, snapshot_id=OLD))
    assert (named["snapshot_id"], named["fingerprint"]) == (OLD, "sha256:" + "a" * 64)
    assert named["signatures"] == "SIGNED"


def test_what_is_named_and_not_deployed_is_what_was_found() -> None:
    """The look-up goes by the name too: what it found is that, or nothing."""
    assert target(THERE, replace(ASKED, snapshot_id=FOUND))["snapshot_id"] == FOUND
    assert target(THERE, replace(ASKED, snapshot_id=FOUND, found=""))["snapshot_id"] == ""


def test_the_seeds_snapshot_where_it_is_deployed_bears_what_its_volume_says() -> None:
    assert target(THERE, replace(ASKED, found=NEW))["fingerprint"] == "sha256:" + "b" * 64


def test_a_rollback_goes_to_what_was_before_whatever_is_named() -> None:
    assert target(THERE, replace(ASKED, rollback=True, snapshot_id=NEW))["snapshot_id"] == OLD


def test_where_nothing_was_before_a_rollback_leads_to_nothing() -> None:
    nothing = target(replace(THERE, previous=""), replace(ASKED, rollback=True))
    assert (nothing["snapshot_id"], nothing["fingerprint"], nothing["volume"]) == ("", SEEDS, "bio-")


def test_a_volume_that_does_not_say_its_fingerprint_is_not_deployed_again() -> None:
    silent = replace(THERE, volumes=[{**volume(OLD), "tags": {"petal:cluster": "Bio"}}])
    with pytest.raises(VolumeError, match=f"the volume bio-aaaaaaaa of {OLD} has no tag petal:fingerprint"):
        target(silent, replace(ASKED, rollback=True))


def test_beside_a_doubted_snapshot_the_trusted_ones_are_named() -> None:
    volumes = [volume(OLD), volume(NEW), volume(FOUND), volume(NEW)]
    assert ways_on(volumes, {OLD: "nobody signed it"}, OLD) == (
        f"Go to what is there and trusted (deploy_cluster with -e snapshot_id={NEW} or {FOUND}), sign it with a key "
        f"that the site trusts (ansible-playbook petal.hpc.sign_volume -e snapshot_id={OLD} -e petal_signing_key=FILE)"
        ", deploy another snapshot, or take it away (petal.hpc.delete_cluster)."
    )


def test_where_none_is_trusted_it_is_signed() -> None:
    assert ways_on([volume(OLD)], {OLD: "nobody signed it"}, OLD).startswith("Sign it with a key that the site trusts")
