# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One snapshot as one file: written beside its place and renamed, read with nothing believed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ansible_collections.petal.hpc.plugins.module_utils._exchange import model
from ansible_collections.petal.hpc.plugins.module_utils._host.api import UNFINISHED, Host, explained
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import human
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.api import ARCHIVE, SPARE, SnapshotStore
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    RECORD,
    Parcel,
    Snapshot,
    SnapshotError,
)
from ansible_collections.petal.hpc.plugins.module_utils._trust import api as trust
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import Policy, Verdict

PIECE = 1 << 20


class SnapshotFile:
    """A snapshot in one file, into and out of a store.

    :param path: the file; its directory has to be there.
    """

    def __init__(self, host: Host, store: SnapshotStore, path: str) -> None:
        self._host = host
        self._store = store
        self._path = Path(path)

    # Writing

    def write(self, snapshot_id: str, unaudited: bool, check: bool = False) -> tuple[Snapshot, bool]:
        """Put a snapshot of the store into the file; gives its record and whether the file changes.

        A file that is there is only ever left as it is: it holds the snapshot, or is somebody's. Raises PetalError.
        """
        parcel, _origin = self._store.parcel(snapshot_id)
        snapshot = parcel.snapshot
        doing = f"exporting {snapshot_id} to {self._path}"
        objection = model.leaving(snapshot, unaudited)
        if objection:
            raise SnapshotError(f"{doing}: {objection}")
        with explained(doing):
            if os.path.lexists(self._path):
                self._compare(parcel, doing)
                return snapshot, False
            if not self._path.parent.is_dir():
                raise SnapshotError(f"{doing}: there is no directory {self._path.parent}. Make it first.")
            free, need = self._host.free_bytes(self._path.parent), (snapshot.stored_bytes or 0) + SPARE
            if free < need:
                raise SnapshotError(f"{doing}: it takes {human(need)}, {human(free)} are free. Free some space first.")
            if not check:
                with self._store.locked(f"export-{snapshot_id}", doing):
                    self._write(parcel, doing)
        return snapshot, True

    def _compare(self, parcel: Parcel, doing: str) -> None:
        try:
            with self._open() as stream:
                there, _digest, size = self._head(stream)
                whole = os.fstat(stream.fileno()).st_size >= stream.tell() + size
        except SnapshotError as error:
            raise SnapshotError(f"{doing}: there is a file already that is none of its exports ({error})") from error
        if (there.record, there.beside) != (parcel.record, parcel.beside) or not whole:
            state = "an unfinished copy" if there.record == parcel.record and not whole else "another snapshot"
            if there.record == parcel.record and whole:
                state = "the same with other signatures, or with none,"
            raise SnapshotError(f"{doing}: {state} is there already. Remove it, or give another file.")

    def _write(self, parcel: Parcel, doing: str) -> None:
        snapshot, draft = parcel.snapshot, self._path.with_name(f"{UNFINISHED}{self._path.name}")
        # Of an export that was killed; nobody else writes this snapshot now.
        draft.unlink(missing_ok=True)
        members = {RECORD: parcel.record, **parcel.beside}
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
        sums = model.sums({**digests, ARCHIVE: snapshot.sha256 or ""})
        try:
            with draft.open("xb") as target, self._store.archive(snapshot.snapshot_id).open("rb") as source:
                for name, data in {model.SUMS: sums, **members}.items():
                    target.write(model.header(name, len(data)) + data + bytes(model.padding(len(data))))
                size = snapshot.stored_bytes or 0
                target.write(model.header(ARCHIVE, size))
                digest = _copy(_pieces(source, size), target.write)
                self._agree(snapshot, size, digest, doing)
                target.write(bytes(model.padding(size)))
                target.write(model.ending(target.tell()))
                target.flush()
                os.fsync(target.fileno())
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)
        self._host.sync_directory(self._path.parent)

    # Reading

    def read(self, policy: Policy, check: bool = False) -> tuple[Snapshot, Verdict, bool]:
        """Put the snapshot of the file into the store; gives its record, why it is trusted, and whether it changes.

        Nothing appears in the store before all of it is there, its digests are right, and the site trusts it. Raises
        PetalError.
        """
        doing = f"importing {self._path}"
        with explained(doing), self._open() as stream:
            try:
                parcel, digest, size = self._head(stream)
            except SnapshotError as error:
                raise SnapshotError(f"{doing}: {error}. It is damaged, or no export of a snapshot.") from error
            snapshot = parcel.snapshot
            self._agree(snapshot, size, digest, doing)
            place = trust.file_place(str(self._path))
            found, changed = self._store.adopt(parcel, place, policy, lambda: _pieces(stream, size), doing, check)
            return snapshot, found, changed

    def _agree(self, snapshot: Snapshot, size: int, digest: str, doing: str) -> None:
        for problem in model.problems(snapshot, size, digest):
            raise SnapshotError(f"{doing}: {problem}. It is damaged.")

    def _open(self) -> BinaryIO:
        handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise SnapshotError(f"{self._path} is no file")
        return os.fdopen(handle, "rb")

    def _head(self, stream: BinaryIO) -> tuple[Parcel, str, int]:
        """The record, and what the file says of the archive that follows: its digest and size."""
        digests = model.parse_sums(_member(stream, model.SUMS, model.SUMS_LIMIT))
        *before, last = digests
        found = {name: _member(stream, name, model.MEMBERS[name]) for name in before}
        for name, data in found.items():
            if hashlib.sha256(data).hexdigest() != digests[name]:
                raise SnapshotError(f"{name} is damaged: its sha256 is not the one that {model.SUMS} has")
        snapshot = model.parse_record(found[RECORD])
        parcel = Parcel(snapshot, found.pop(RECORD), found)
        return parcel, digests[last], model.parse_header(stream.read(model.BLOCK), ARCHIVE)


def _member(stream: BinaryIO, name: str, limit: int) -> bytes:
    size = model.parse_header(stream.read(model.BLOCK), name)
    if size > limit:
        raise SnapshotError(f"{name} has {size} bytes, at most {limit} are read")
    data = stream.read(size + model.padding(size))
    if len(data) < size:
        raise SnapshotError(f"it ends in the middle of {name}")
    return data[:size]


def _pieces(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """So many bytes, or fewer where it ends before."""
    while size > 0 and (piece := stream.read(min(PIECE, size))):
        size -= len(piece)
        yield piece


def _copy(pieces: Iterator[bytes], write: Callable[[bytes], object]) -> str:
    total = hashlib.sha256()
    for piece in pieces:
        write(piece)
        total.update(piece)
    return total.hexdigest()
