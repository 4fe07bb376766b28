# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores of others for snapshots of the provider local: a shared directory, or a bucket in S3.

A directory is laid out as any store, so that one is as good as the other. In a bucket the fingerprint is part of the
key, ``PREFIX/snapshots/FINGERPRINT/ID/{snapshot.json,volume.tar.zst}``: who looks for one lists one prefix, however
many there are. What stands in them is believed as little as a file from anywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import explain
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import FINGERPRINT, check_fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import SNAPSHOT_ID, check_snapshot_id
from ansible_collections.petal.hpc.plugins.module_utils._exchange import model
from ansible_collections.petal.hpc.plugins.module_utils._host.api import SNAPSHOTS, explained
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import human
from ansible_collections.petal.hpc.plugins.module_utils._objects.api.bucket import Bucket
from ansible_collections.petal.hpc.plugins.module_utils._objects.api.directory import Directory
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Content, File, Folders, ObjectsError
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import snapshot_store
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import ARCHIVE, SPARE, fill
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Criteria, Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    BESIDE,
    RECORD,
    SIGNATURES,
    Parcel,
    Snapshot,
    SnapshotError,
)
from ansible_collections.petal.hpc.plugins.module_utils._trust import api as trust
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Place

PIECE = 1 << 20
# Of one store: more entries than that are no store of software.
ENTRIES_LIMIT = 20_000
# A snapshot has up to five files.
FILES_LIMIT = 5 * ENTRIES_LIMIT
AT_ONCE = 16


@dataclass(frozen=True)
class Entry:
    """Where a snapshot is in a store. fingerprint: None where only its record says it."""

    folder: str
    snapshot_id: str
    fingerprint: str | None = None


def remote_store(module: Any, text: str) -> Remote:
    """The store that a text names, ``/DIR`` or ``s3://BUCKET/PREFIX``. Raises SnapshotError."""
    flaw = snapshot_store(text)
    if flaw:
        raise SnapshotError(f"the store {text[:100]!r}: {flaw}")
    return SharedBucket(module, text) if text.startswith("s3://") else SharedDirectory(text)


class Remote(ABC):
    """A store of somebody else. Every method raises PetalError.

    :param objects: where it is.
    :param where: what it is called in messages.
    """

    def __init__(self, objects: Folders, where: str) -> None:
        self._objects = objects
        self._where = where

    @abstractmethod
    def _entries(self, fingerprint: str | None) -> Iterator[Entry]:
        """All; of a fingerprint only, where that can be seen without reading records."""

    @abstractmethod
    def _folder(self, snapshot: Snapshot) -> str:
        """Where a snapshot belongs."""

    @abstractmethod
    def _asking(self, doing: str) -> AbstractContextManager[None]:
        """Say what was being done to this store, where it fails."""

    def _missing(self) -> str | None:
        """Why there is no store, where that can be seen at once."""
        return None

    def _full(self, snapshot: Snapshot) -> str | None:  # noqa: ARG002
        """Why there is no room for a snapshot, where that can be known."""
        return None

    def scan(self, criteria: Criteria) -> tuple[list[Parcel], list[Refusal]]:
        """What may be meant, and what is no snapshot, with the reason."""
        missing = self._missing()
        if missing:
            raise SnapshotError(f"{missing}: is it mounted?")
        entries: list[Entry] = []
        for fingerprint in criteria.fingerprints or (None,):
            # An older one is asked for only where this one has nothing.
            entries = entries or list(islice(self._entries(fingerprint), ENTRIES_LIMIT + 1))
        if len(entries) > ENTRIES_LIMIT:
            raise SnapshotError(f"{self._where} has more than {ENTRIES_LIMIT} snapshots")
        wanted = [entry for entry in entries if not criteria.snapshot_ids or entry.snapshot_id in criteria.snapshot_ids]
        found, refused = [], []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for entry, answer in zip(wanted, pool.map(self._try, wanted)):
                if isinstance(answer, Parcel):
                    found.append(answer)
                else:
                    refused.append(self._refusal(entry.snapshot_id, answer))
        return found, refused

    def _try(self, entry: Entry) -> Parcel | PetalError:
        try:
            return self._read(entry)
        except PetalError as error:
            return error

    def _refusal(self, name: str, error: Exception) -> Refusal:
        shown = name if name.isprintable() else ascii(name)
        return Refusal(shown[:64], f"its entry in {self._where} is damaged: {error}")

    def get(self, snapshot_id: str) -> Parcel:
        """One record, with all that goes with it."""
        entry = self._find(check_snapshot_id(snapshot_id), None)
        if entry is None:
            raise SnapshotError(f"there is no snapshot {snapshot_id} in {self._where}")
        return self._read(entry, whole=True)

    def _find(self, snapshot_id: str, fingerprint: str | None) -> Entry | None:
        return next((entry for entry in self._entries(fingerprint) if entry.snapshot_id == snapshot_id), None)

    def _read(self, entry: Entry, whole: bool = False) -> Parcel:
        """A record with its signatures, or with all that goes with it."""
        if not SNAPSHOT_ID.fullmatch(entry.snapshot_id):
            raise SnapshotError("its name is no snapshot id")
        with self._asking("reading a record in"):
            data = self._document(entry, RECORD)
            found = {name: self._document(entry, name) for name in (BESIDE if whole else (SIGNATURES,))}
        if data is None:
            raise SnapshotError(f"there is no {RECORD}")
        snapshot = model.parse_record(data)
        if snapshot.snapshot_id != entry.snapshot_id or entry.fingerprint not in (None, snapshot.fingerprint):
            raise SnapshotError(f"{RECORD} is of {snapshot.snapshot_id}, {snapshot.fingerprint}")
        return Parcel(snapshot, data, {name: there for name, there in found.items() if there is not None})

    def _document(self, entry: Entry, name: str) -> bytes | None:
        """A record, or a document that stands beside it. Raises SnapshotError where it is too large."""
        path, limit = f"{entry.folder}/{name}", model.MEMBERS[name]
        data = self._objects.read([path], limit).get(path)
        if data is not None and len(data) > limit:
            raise SnapshotError(f"{name} has more than {limit} bytes")
        return data

    def pieces(self, snapshot: Snapshot) -> Iterator[bytes]:
        """Its archive, and no more of it than its record says."""
        with self._asking("fetching from"):
            yield from self._objects.pieces(f"{self._folder(snapshot)}/{ARCHIVE}", snapshot.stored_bytes or 0)

    def publish(self, parcel: Parcel, archive: Path, check: bool) -> bool:
        """Put a snapshot there; whether anything changes."""
        snapshot, doing = parcel.snapshot, f"publishing {parcel.snapshot.snapshot_id} in {self._where}"
        missing = self._missing()
        if missing:
            raise SnapshotError(f"{missing}: mount it, or make it first")
        if self._has(parcel, doing):
            return False
        full = self._full(snapshot)
        if full:
            raise SnapshotError(f"{doing}: {full}")
        if check:
            return True

        def copy(stream: BinaryIO) -> None:
            fill(stream, snapshot, _file_pieces(archive), doing)

        # The record comes last: without it nothing there is a snapshot.
        files: dict[str, Content] = {ARCHIVE: File(archive, copy), **parcel.beside, RECORD: parcel.record}
        with explained(doing), self._asking(f"publishing {snapshot.snapshot_id} in"):
            added = self._objects.add(self._folder(snapshot), files)
        # Where another one was faster, it came with the same or with something else.
        if not added and not self._has(parcel, doing):
            raise SnapshotError(f"{doing}: it was put there and withdrawn by others meanwhile. Run again.")
        return added

    def _has(self, parcel: Parcel, doing: str) -> bool:
        """Whether it is there, signatures too. Raises SnapshotError where something else has its id."""
        entry = self._find(parcel.snapshot.snapshot_id, parcel.snapshot.fingerprint)
        if entry is None:
            return False
        try:
            there = self._read(entry, whole=True)
        except (SnapshotError, ObjectsError) as error:
            raise SnapshotError(f"{doing}: what is there of that id is damaged: {error}. Withdraw it first.") from error
        return _same(there, parcel, doing)

    def withdraw(self, snapshot_id: str | None, fingerprint: str | None, check: bool) -> list[str]:
        """Take one, or all of a fingerprint, away; those that were there."""
        if snapshot_id is not None:
            check_snapshot_id(snapshot_id)
        if fingerprint is not None:
            check_fingerprint(fingerprint)
        if snapshot_id is None and fingerprint is None:
            return []
        meant = [entry for entry in self._entries(fingerprint) if snapshot_id in (None, entry.snapshot_id)]
        meant = [entry for entry in meant if fingerprint in (None, self._fingerprint(entry))]
        for entry in meant if not check else ():
            with self._asking("withdrawing from"):
                # The record goes first, for the same reason.
                self._objects.drop(entry.folder, (RECORD, *BESIDE, ARCHIVE))
        return [entry.snapshot_id for entry in meant]

    def _fingerprint(self, entry: Entry) -> str | None:
        """Of an entry; None for one that is damaged, which is asked for by its id alone."""
        if entry.fingerprint is not None:
            return entry.fingerprint
        answer = self._try(entry)
        return answer.snapshot.fingerprint if isinstance(answer, Parcel) else None


class SharedDirectory(Remote):
    """A store's directory that others write as well, ``DIR/snapshots/ID/``."""

    def __init__(self, path: str) -> None:
        self._directory = Directory(Path(path))
        super().__init__(self._directory, path)

    def _entries(self, fingerprint: str | None) -> Iterator[Entry]:  # noqa: ARG002
        with self._asking("looking into"):
            for name in self._directory.names(SNAPSHOTS):
                if not name.startswith("."):
                    yield Entry(f"{SNAPSHOTS}/{name}", name)

    def _folder(self, snapshot: Snapshot) -> str:
        return f"{SNAPSHOTS}/{snapshot.snapshot_id}"

    def _asking(self, doing: str) -> AbstractContextManager[None]:
        return explained(f"{doing} {self._where}")

    def _missing(self) -> str | None:
        return None if self._directory.exists() else f"there is no directory {self._where} on this host"

    def _full(self, snapshot: Snapshot) -> str | None:
        free, need = self._directory.free_bytes(), (snapshot.stored_bytes or 0) + SPARE
        return f"it takes {human(need)} in {self._where}, {human(free)} are free" if free < need else None

    def _read(self, entry: Entry, whole: bool = False) -> Parcel:
        parcel, archive = super()._read(entry, whole), f"{entry.folder}/{ARCHIVE}"
        with self._asking("reading an archive in"):
            size = self._directory.sizes([archive]).get(archive)
        if size is None:
            raise SnapshotError(f"there is no {ARCHIVE}")
        if size != parcel.snapshot.stored_bytes:
            raise SnapshotError(f"{ARCHIVE} has {size} bytes, its record says {parcel.snapshot.stored_bytes}")
        return parcel


class SharedBucket(Remote):
    """A prefix of a bucket, ``PREFIX/snapshots/FINGERPRINT/ID/``.

    :param module: AnsibleAWSModule; its region, endpoint and credentials are used.
    """

    def __init__(self, module: Any, url: str) -> None:
        super().__init__(Bucket(module.client, url), url.rstrip("/"))

    def _entries(self, fingerprint: str | None) -> Iterator[Entry]:
        """Everything that has a record."""
        digest = check_fingerprint(fingerprint).partition(":")[2] + "/" if fingerprint else ""
        with self._asking("looking into"):
            for count, item in enumerate(self._objects.listing(f"{SNAPSHOTS}/{digest}")):
                if count >= FILES_LIMIT:
                    raise SnapshotError(f"{self._where} has more than {ENTRIES_LIMIT} snapshots")
                parts = item.path.split("/")
                if len(parts) == 4 and parts[3] == RECORD and _is_entry(parts[1], parts[2]):
                    yield Entry(item.path.rpartition("/")[0], parts[2], f"sha256:{parts[1]}")

    def _folder(self, snapshot: Snapshot) -> str:
        return f"{SNAPSHOTS}/{snapshot.fingerprint.partition(':')[2]}/{snapshot.snapshot_id}"

    @contextmanager
    def _asking(self, doing: str) -> Iterator[None]:
        try:
            yield
        except ObjectsError as error:
            raise explain(f"{doing} {self._where}", error.code, str(error)) from error


def _same(there: Parcel, parcel: Parcel, doing: str) -> bool:
    """That what is there is what shall come, signatures too. Raises SnapshotError where it is not."""
    if there.record != parcel.record:
        raise SnapshotError(f"{doing}: there is another snapshot of the same id. It is left as it is.")
    if there.beside != parcel.beside:
        raise SnapshotError(f"{doing}: it is there with other signatures. Withdraw it first (unshare_volume).")
    return True


def _file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            yield piece


def _is_entry(digest: str, snapshot_id: str) -> bool:
    return bool(FINGERPRINT.fullmatch(f"sha256:{digest}") and SNAPSHOT_ID.fullmatch(snapshot_id))


def place_in(store: str, snapshot_id: str) -> Place:
    """A snapshot in a store of others as a place: all that leads there counts, and so do its files."""
    entry = Path(store, SNAPSHOTS, snapshot_id)
    return trust.store_place(store, *(entry / name for name in (ARCHIVE, RECORD, *BESIDE)))
