# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshot a volume begins with, of seeds and manifests of others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._base import choice
from ansible_collections.petal.hpc.plugins.module_utils._base.choice import (
    BaseError,
    Candidate,
    check_asked,
    chosen,
    named,
    objection,
    of_manifest,
    of_tags,
    ranked,
    sought,
    useless,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot

MOUNT_DIR = "/shared"
COMMIT = "c" * 40


def seed(*specs: str, version: str = "v1.2.0", target: str | None = None, source: tuple[str, ...] = ()) -> Any:
    software = {
        "spack": {"version": version, "target": target},
        "spack_packages": list(specs),
        "build_from_source": list(source),
    }
    return {"cluster": {"os": "debian12", "architecture": "x86_64"}, "software": software}


def plan(*specs: str, commit: str = "", size_gb: int = 4, **more: Any) -> Any:
    return {
        "seed": seed(*specs, **more),
        "mount_dir": MOUNT_DIR,
        "size_gb": size_gb,
        "resolved_refs": {"spack": commit},
        "fingerprints": ["sha256:" + "f" * 64],
    }


def snapshot(number: int = 0, **more: Any) -> Snapshot:
    given = {
        "snapshot_id": f"snap-{number:017x}",
        "fingerprint": "sha256:" + "a" * 64,
        "name": "bio",
        "os": "debian12",
        "architecture": "x86_64",
        "size_gb": 4,
        "created": "2026-01-31T12:00:00Z",
    }
    return Snapshot(**{**given, **more})


def package(name: str, *needs: str) -> dict[str, Any]:
    hashes = [f"hash-{need}" for need in needs]
    return {"name": name, "version": "1", "manager": "spack", "hash": f"hash-{name}", "dependencies": hashes}


def manifest(given: Any, *packages: dict[str, Any], mount_dir: str = MOUNT_DIR, commit: str = COMMIT) -> bytes:
    said = {"seed": given, "mount_dir": mount_dir, "versions": {"spack_commit": commit}, "packages": list(packages)}
    return json.dumps(said).encode()


CHAIN = [package("hdf5", "zlib", "gone"), package("zlib"), package("samtools", "htslib"), package("htslib", "zlib")]


def test_what_may_be_wanted_is_what_the_same_specs_brought() -> None:
    one = of_manifest(snapshot(), manifest(seed("hdf5+mpi", "samtools"), *CHAIN))
    assert (one.total, one.doubt) == (4, "")
    assert one.shared(sought(plan("hdf5+mpi"))) == 2
    assert one.shared(sought(plan("hdf5 +mpi", "samtools"))) == 4, "blanks mean nothing"
    assert one.shared(sought(plan("hdf5"))) == 0


def test_the_one_with_the_most_is_taken_then_the_one_with_the_least_beside_it_then_the_newest() -> None:
    small = of_manifest(snapshot(1), manifest(seed("hdf5"), *CHAIN[:2]))
    large = of_manifest(snapshot(2), manifest(seed("hdf5", "samtools"), *CHAIN))
    same = of_manifest(snapshot(3), manifest(seed("hdf5"), *CHAIN[:2]))
    with_all = ranked(sought(plan("hdf5", "samtools")), [small, large, same])[0]
    assert [one.snapshot.snapshot_id[-1] for one in with_all] == ["2", "1", "3"]
    with_one = ranked(sought(plan("hdf5")), [small, large, same])[0]
    assert [one.snapshot.snapshot_id[-1] for one in with_one] == ["1", "3", "2"]


def test_one_of_which_less_than_half_may_be_wanted_and_the_seeds_own_do_not_pay() -> None:
    large = of_manifest(snapshot(), manifest(seed("zlib", "samtools", "hdf5"), *CHAIN))
    assert useless(sought(plan("zlib")), large) == "1 of its 4 packages may be wanted, less than half"
    few = replace(sought(plan("zlib")), least=2)
    assert "so few are sooner had" in useless(few, of_manifest(snapshot(), manifest(seed("zlib"), *CHAIN[1:2])))
    assert not useless(few, of_tags(snapshot(tags=sought(plan("zlib")).tags)))
    own = of_manifest(snapshot(fingerprint="sha256:" + "f" * 64), manifest(seed("zlib"), *CHAIN[1:2]))
    assert useless(sought(plan("zlib")), own) == "it is what is to be built anew"
    assert not objection(sought(plan("zlib")), own), "whoever names it has it"
    good, refused = ranked(sought(plan("zlib")), [large, own])
    assert (good, len(refused)) == ([], 2)


@pytest.mark.parametrize(
    ("other", "data", "reason"),
    [
        (snapshot(os="ubuntu2404"), manifest(seed("zlib"), *CHAIN), "it was built for ubuntu2404 x86_64"),
        (snapshot(architecture="arm64"), manifest(seed("zlib"), *CHAIN), "it was built for debian12 arm64"),
        (snapshot(state="pending"), manifest(seed("zlib"), *CHAIN), "its state is pending"),
        (snapshot(size_gb=5), manifest(seed("zlib"), *CHAIN), "it has 5 GiB, the volume is to have 4"),
        (snapshot(), manifest(seed("zlib", version="v1.1.0"), *CHAIN), "it has another Spack"),
        (snapshot(), manifest(seed("zlib", target="zen4"), *CHAIN), "is for another target"),
        (snapshot(), manifest(seed("zlib"), *CHAIN, mount_dir="/other"), "is mounted elsewhere"),
        (snapshot(imported="the store /srv"), None, "nothing beside its record says what is on it: it came from the"),
        (snapshot(), None, "an earlier release built it"),
        (snapshot(), b"[", "its manifest cannot be read"),
        (snapshot(), b"[]", "its manifest cannot be read"),
        (snapshot(), b"[" * 100000, "its manifest cannot be read"),
        (snapshot(), b"{}", "its manifest cannot be read: KeyError('seed')"),
        (snapshot(), manifest(seed("zlib")), "Spack has brought nothing"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(other: Snapshot, data: bytes | None, reason: str) -> None:
    candidate = of_manifest(other, data)
    assert reason in objection(sought(plan("zlib")), candidate)
    with pytest.raises(BaseError, match=f"a volume cannot begin with {other.snapshot_id}"):
        named(other.snapshot_id, sought(plan("zlib")), [candidate], "/store")


def test_a_branch_of_spack_is_its_commit() -> None:
    one = of_manifest(snapshot(), manifest(seed("zlib", version="develop"), *CHAIN))
    assert not objection(sought(plan("zlib", version="develop", commit=COMMIT)), one)
    assert objection(sought(plan("zlib", version="develop", commit="d" * 40)), one)
    assert not objection(sought(plan("zlib", version=COMMIT)), one)


def test_one_that_was_named_need_not_pay_and_has_to_be_there() -> None:
    one = of_manifest(snapshot(), manifest(seed("hdf5"), *CHAIN))
    assert named(one.snapshot.snapshot_id, sought(plan("zlib")), [one], "/store") is one
    with pytest.raises(BaseError, match=r"it is not in /store\. Name another one"):
        named("snap-0123456789abcdef0", sought(plan("zlib")), [one], "/store")


def test_what_stacks_ask_for_is_wanted_too() -> None:
    stacked = plan()
    stacked["seed"]["software"]["stacks"] = [{"name": "gcc", "mpi": "openmpi@5", "packages": ["hdf5"]}]
    one = of_manifest(snapshot(), manifest(seed("hdf5"), *CHAIN[:2]))
    assert one.shared(sought(stacked)) == 2
    assert len(sought(stacked).specs) == 2


def test_what_was_chosen_is_said() -> None:
    wanted = sought(plan("hdf5"))
    one = of_manifest(snapshot(), manifest(seed("hdf5"), *CHAIN[:2]))
    told = chosen(one, wanted).to_dict()
    assert told["base"]["snapshot_id"] == one.snapshot.snapshot_id
    assert (told["base"]["shared"], told["base"]["total"], told["base"]["unit"]) == (2, 2, "packages")
    assert told["reason"] == f"2 of the 2 packages of {one.snapshot.snapshot_id} (bio) may be wanted"
    assert choice.nothing("no").to_dict() == {"base": None, "reason": "no", "passed_over": []}


def test_tags_say_which_specs_there_are() -> None:
    wanted = sought(plan("zlib", "hdf5"))
    one = of_tags(snapshot(tags=sought(plan("zlib", "samtools", "bwa")).tags))
    assert (one.shared(wanted), one.total, one.unit) == (1, 3, "specs")
    assert not objection(wanted, one)
    assert "an earlier release" in objection(wanted, of_tags(snapshot()))
    many = sought(plan(*(f"package-{number}" for number in range(99)))).tags
    assert max(len(value) for value in many.values()) <= 256


def choose(asked: str, wanted: Any, *candidates: Candidate, doubt: str = "") -> choice.Choice:
    return choice.choose(asked, wanted, "/store", lambda: list(candidates), lambda _one: doubt)


def test_what_is_not_trusted_is_passed_over_unless_it_was_named() -> None:
    one = of_manifest(snapshot(), manifest(seed("zlib"), *CHAIN[1:2]))
    wanted = sought(plan("zlib"))
    assert choose("auto", wanted, one).candidate is one
    assert choose(one.snapshot.snapshot_id, wanted, one).candidate is one
    passed = choose("auto", wanted, one, doubt="nobody has signed it")
    assert (passed.candidate, passed.reason) == (None, "no snapshot has enough of what is wanted")
    assert [item.reason for item in passed.passed_over] == ["nobody has signed it"]
    with pytest.raises(BaseError, match="nobody has signed it"):
        choose(one.snapshot.snapshot_id, wanted, one, doubt="nobody has signed it")


def test_a_volume_begins_with_nothing_where_that_was_asked_for_or_nothing_is_there() -> None:
    assert choose("none", sought(plan("zlib"))).reason == "base=none was asked for"
    assert choose("auto", sought(plan("zlib"))).reason == "there is no snapshot like it"
    assert choose("auto", sought(plan())).reason == "nothing is asked of Spack"
    with pytest.raises(BaseError, match="nothing is asked of Spack, and all else is made anew"):
        choose("snap-0123456789abcdef0", sought(plan()))


@pytest.mark.parametrize("text", ["", "nothing", "snap-", "snap-0123456789ABCDEF0", "../snap-0123456789abcdef0"])
def test_what_was_asked_for_is_checked(text: str) -> None:
    with pytest.raises(BaseError, match="expected auto"):
        check_asked(text)


def test_a_plan_that_is_none_is_refused() -> None:
    with pytest.raises(BaseError, match="plan has no seed"):
        sought({"mount_dir": "/shared"})
    assert not sought(plan()).specs


def test_nothing_is_shared_with_an_empty_one() -> None:
    assert Candidate(snapshot()).shared(sought(plan("zlib"))) == 0
