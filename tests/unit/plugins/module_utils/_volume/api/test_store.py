# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A volume that was made from a snapshot is judged again whenever it is to be used, by what was kept with it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot
from ansible_collections.petal.hpc.plugins.module_utils._trust import api as trust
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    FILE,
    ONLY_OWN,
    STORE,
    Origin,
    Place,
    Policy,
    Signer,
)
from ansible_collections.petal.hpc.plugins.module_utils._volume.api.store import VolumeStore
from ansible_collections.petal.hpc.plugins.module_utils._volume.model import READY, Kept, Sidecar

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen on this machine")

UUID = "11111111-2222-3333-4444-555555555555"
ID = "snap-0123456789abcdef0"
SNAPSHOT = Snapshot(
    snapshot_id=ID,
    fingerprint="sha256:" + "a" * 64,
    name="quickstart",
    os="debian12",
    architecture="x86_64",
    size_gb=1,
    created="2026-01-31T12:00:00Z",
    sha256="b" * 64,
)
RECORD = SNAPSHOT.record()
IMPORTED = Origin(Place(FILE, "/media/stick/a.tar"))


def run(args: list[str], **options: Any) -> tuple[int, str, str]:
    """What Ansible's run_command does, as far as a signature needs it."""
    done = subprocess.run(args, input=options.get("data") or b"", capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


HOST = Host(run)


class Key:
    """Somebody who signs."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name, self.path = name, directory / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path], check=True)
        self.signature = trust.KeyFile(HOST, str(self.path)).sign(RECORD)

    def signer(self, **more: Any) -> Signer:
        """As a site names who signs."""
        return Signer(self.name, trust.fingerprint(HOST, str(self.path)), **more)


@pytest.fixture
def maker(tmp_path: Path) -> Key:
    return Key(tmp_path, "maker")


def doubts(
    directory: Path, policy: Policy, kept: Kept | None, later: str = "", snapshot_id: str | None = ID
) -> dict[str, str]:
    """What a site says of a volume that stands in its store, from which the snapshot is gone."""
    sidecar = Sidecar("vol-0123456789abcdef0", "v", READY, UUID, "2026-01-31T12:00:00Z", snapshot_id, {}, kept)
    (directory / "store/volumes").mkdir(parents=True, exist_ok=True)
    (directory / "store/volumes/v.json").write_text(json.dumps(sidecar.to_dict()))
    return VolumeStore(HOST, str(directory / "store"), policy).untrusted(["v"], {ID: later})


def test_trusted_as_long_as_the_site_lists_who_signed(tmp_path: Path, maker: Key) -> None:
    kept = Kept(RECORD.decode(), maker.signature, IMPORTED)
    assert doubts(tmp_path, Policy((maker.signer(),), required=True), kept) == {}
    assert "is revoked" in doubts(tmp_path, Policy((maker.signer(revoked=True),)), kept)[ID]
    assert "nobody whom the site trusts has the key" in doubts(tmp_path, Policy(), kept)[ID]
    assert "until 2025-12-31" in doubts(tmp_path, Policy((maker.signer(valid_until="2025-12-31"),)), kept)[ID]


def test_a_signature_that_came_later_counts(tmp_path: Path, maker: Key) -> None:
    second = Key(tmp_path, "second")
    policy = Policy((maker.signer(revoked=True), second.signer()), required=True)
    kept = Kept(RECORD.decode(), maker.signature, IMPORTED)
    assert ID in doubts(tmp_path, policy, kept)
    # As it stands beside the snapshot: both, or the new one alone.
    for later in (maker.signature + second.signature, second.signature):
        assert doubts(tmp_path, policy, kept, later) == {}
    # One of something else is none.
    other = trust.KeyFile(HOST, str(second.path)).sign(b"another record")
    assert "is revoked" in doubts(tmp_path, policy, kept, other)[ID]


def test_the_word_of_who_took_it_unsigned_is_kept_but_not_against_a_revoked_key(tmp_path: Path, maker: Key) -> None:
    taken = Origin(IMPORTED.place, unsigned=True)
    assert doubts(tmp_path, Policy(), Kept(RECORD.decode(), "", taken)) == {}
    assert ID in doubts(tmp_path, Policy(required=True), Kept(RECORD.decode(), "", taken))
    revoked = Policy((maker.signer(revoked=True),), unsigned=True)
    assert ID in doubts(tmp_path, revoked, Kept(RECORD.decode(), maker.signature, taken))


def test_a_store_that_the_site_trusts_no_more(tmp_path: Path) -> None:
    kept = Kept(RECORD.decode(), "", Origin(Place(STORE, "/net/software")))
    assert doubts(tmp_path, Policy(stores=("/net/software",)), kept) == {}
    assert "petal_trusted_stores" in doubts(tmp_path, Policy(), kept)[ID]


def test_what_was_built_here_and_what_is_no_snapshot(tmp_path: Path) -> None:
    assert doubts(tmp_path, ONLY_OWN, Kept(RECORD.decode())) == {}
    assert doubts(tmp_path, Policy(required=True), None, snapshot_id=None) == {}


def test_a_volume_of_a_release_that_kept_nothing_is_as_one_built_here(tmp_path: Path) -> None:
    assert doubts(tmp_path, ONLY_OWN, None) == {}
    said = doubts(tmp_path, Policy(required=True), None)[ID]
    assert "a release that kept no signatures; nobody has signed it; the site takes only what is signed" in said


def test_a_record_that_was_changed_bears_no_signature(tmp_path: Path, maker: Key) -> None:
    changed = RECORD.decode().replace("quickstart", "quickStart")
    policy = Policy((maker.signer(),), required=True)
    assert "nobody has signed it" in doubts(tmp_path, policy, Kept(changed, maker.signature, IMPORTED))[ID]


@pytest.mark.parametrize(
    "kept",
    [
        Kept("no record"),
        Kept("[" * 100_000),
        Kept("{}"),
        Kept(RECORD.decode(), "noise"),
        Kept(RECORD.decode(), "\ud800"),
    ],
)
def test_what_is_damaged_is_not_trusted(tmp_path: Path, kept: Kept) -> None:
    assert "what is kept of it is damaged" in doubts(tmp_path, ONLY_OWN, kept)[ID]
