# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The snapshot store of the local provider: one directory each, complete or not there.

``snapshots/SNAPSHOT_ID/{snapshot.json,volume.tar.zst}``; of what was built here ``sequence.json`` and what the build
says of it, ``provenance.json``, ``manifest.json`` and ``sbom.cdx.json``; of what was brought in ``origin.json``;
``snapshot.json.sig`` where somebody has signed it. A directory ``.tmp-…`` is being written, or removed, as long as
somebody holds its flock; without one its writer is dead and the next writer removes it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import os
import pwd
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.fingerprint import check_fingerprint
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import SNAPSHOT_ID, check_snapshot_id
from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    FULL,
    LOCKS,
    SNAPSHOTS,
    UNFINISHED,
    Host,
    explained,
    sha256_of,
    store_directory,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import FREE_SPACE, human
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Refusal, newest_first
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import (
    BESIDE,
    RECORD,
    SIGNATURES,
    STATEMENT,
    STATEMENT_SIGNATURES,
    Parcel,
    Snapshot,
    SnapshotError,
    SnapshotRequest,
    parse_snapshot,
)
from ansible_collections.petal.hpc.plugins.module_utils._trust import api as trust
from ansible_collections.petal.hpc.plugins.module_utils._trust.policy import (
    NAMESPACE,
    OWN,
    STATEMENT_NAMESPACE,
    Origin,
    Place,
    Policy,
    TrustError,
    Verdict,
    parse_origin,
    parse_signatures,
)

ARCHIVE = "volume.tar.zst"
ORIGIN = "origin.json"
#: ``{"sequence": NUMBER}``: larger than that of all that were there, whatever the clock says. Who brings a snapshot in
#: brings none along, and earlier releases wrote none.
SEQUENCE = "sequence.json"
MEMBER = "volume.img"
SPARE = 16 * 1024**2
#: Bytes of a file beside a record, whatever it is.
BESIDE_LIMIT = 64 * 1024**2
#: Whoever can read an archive can read every file inside, also those that not everybody may.
MODE, RECORD_MODE = 0o600, 0o444
#: From a record and the digest of its file to what is said of both: texts of files that stand beside it.
Attest = Callable[[Snapshot, str], "dict[str, str]"]


@dataclass(frozen=True)
class VolumeAtRest:
    """A volume at rest: its image, clean and with unused blocks given back, and its size in GiB."""

    image: Path
    size_gb: int


def judged(host: Host, policy: Policy, place: Place, parcel: Parcel) -> Verdict:
    """Whether what comes from a place may be used. Raises TrustError for signatures that are none."""
    signatures = parse_signatures(parcel.signatures)
    return trust.judged(host, policy, place, parcel.snapshot.created, parcel.record, signatures)[0]


def judged_again(
    host: Host, policy: Policy, parcel: Parcel, origin: Origin | None, later: Sequence[bytes] = ()
) -> Verdict:
    """Whether what is in the own store, or was made from it, may be used by what the site trusts now.

    :param origin: where it came from; None for what was built here.
    :param later: files with signatures that came after it. Raises TrustError for signatures that are none.
    """
    return judged_with_keys(host, policy, parcel, origin, later)[0]


def judged_with_keys(
    host: Host, policy: Policy, parcel: Parcel, origin: Origin | None, later: Sequence[bytes] = ()
) -> tuple[Verdict, list[str]]:
    """As judged_again(), with the fingerprints of the keys whose signatures are right."""
    place = Place(OWN) if origin is None else origin.place
    asked = replace(policy, unsigned=policy.unsigned or (origin is not None and origin.unsigned))
    signatures = dict.fromkeys(one for file in (parcel.signatures, *later) for one in parse_signatures(file))
    return trust.judged(host, asked, place, parcel.snapshot.created, parcel.record, list(signatures))


class SnapshotStore:
    """Snapshots in the directory ``snapshots`` of a store.

    :param store: the store, such as ``/var/lib/petal``.
    """

    def __init__(self, host: Host, store: str) -> None:
        self._host = host
        self._store = store_directory(store)
        self._root = self._store / SNAPSHOTS

    # Reading

    def scan(self) -> tuple[list[Snapshot], list[Refusal]]:
        """All snapshots, newest first, and the entries that are damaged with the reason. An absent store is empty."""
        found, damaged = [], []
        with explained(f"reading the snapshots in {self._root}"):
            entries = sorted(self._root.iterdir()) if self._root.is_dir() else []
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    found.append(self._read(entry))
                except PetalError as error:
                    damaged.append(Refusal(entry.name[:64], f"its entry in {self._root} is damaged: {error}"))
                except FileNotFoundError:
                    # Deleted while we were reading is no damage.
                    if entry.exists():
                        damaged.append(Refusal(entry.name[:64], f"its entry in {self._root} is damaged: files missing"))
        return newest_first(found), damaged

    def get(self, snapshot_id: str) -> Snapshot:
        """One snapshot. Raises SnapshotError when it is not there or damaged."""
        entry = self._root / check_snapshot_id(snapshot_id)
        with explained(f"reading the snapshot {snapshot_id}"):
            if not entry.is_dir():
                raise SnapshotError(f"there is no snapshot {snapshot_id} in {self._root}")
            try:
                return self._read(entry)
            except PetalError as error:
                raise SnapshotError(f"the snapshot {snapshot_id} in {self._root} is damaged: {error}") from error

    def _read(self, entry: Path) -> Snapshot:
        if entry.is_symlink() or not SNAPSHOT_ID.fullmatch(entry.name):
            raise SnapshotError("its name is no snapshot id")
        record = parse_snapshot(self._host.read_json(entry / RECORD))
        if record.snapshot_id != entry.name:
            raise SnapshotError(f"{RECORD} is of {record.snapshot_id}")
        archive = entry / ARCHIVE
        if archive.is_symlink() or not archive.is_file():
            raise SnapshotError(f"{ARCHIVE} is missing")
        size = archive.stat().st_size
        if size != record.stored_bytes:
            raise SnapshotError(f"{ARCHIVE} has {size} bytes, its record says {record.stored_bytes}")
        origin = self._origin(entry)
        if origin is not None:
            return replace(record, imported=str(origin.place))
        return replace(record, sequence=self._sequence(entry))

    def _origin(self, entry: Path) -> Origin | None:
        """Where it came from; None for what was built here."""
        try:
            return parse_origin(self._host.read_json(entry / ORIGIN))
        except FileNotFoundError:
            return None

    def parcel(self, snapshot_id: str) -> tuple[Parcel, Origin | None]:
        """One snapshot with the bytes that are signed, and where it came from. Raises SnapshotError."""
        snapshot, entry = self.get(snapshot_id), self._root / snapshot_id
        with explained(f"reading the snapshot {snapshot_id}"):
            record = (entry / RECORD).read_bytes()
            found = {name: self.beside(snapshot_id, name) for name in BESIDE}
            beside = {name: data for name, data in found.items() if data is not None}
            return Parcel(snapshot, record, beside), self._origin(entry)

    def beside(self, snapshot_id: str, name: str) -> bytes | None:
        """A file that stands beside a record; None where there is none, or one that is too large to be read."""
        path = self._root / check_snapshot_id(snapshot_id) / name
        with explained(f"reading {name} of {snapshot_id}"):
            there = path.is_file() and not path.is_symlink() and path.stat().st_size <= BESIDE_LIMIT
            return path.read_bytes() if there else None

    def sign(self, snapshot_id: str, key: trust.SigningKey, check: bool = False) -> tuple[Parcel, bool]:
        """Put a signature beside a record, unless the key has signed it; whether it changes. Raises PetalError."""
        parcel, _origin = self.parcel(snapshot_id)
        doing = f"signing the snapshot {snapshot_id}"
        if not self._to_sign(parcel, key.fingerprint):
            return parcel, False
        if not check:
            with explained(doing), self.locked(f"sign-{snapshot_id}", doing):
                # Another one may have signed it while this one waited.
                parcel, _origin = self.parcel(snapshot_id)
                for name, data, namespace in self._to_sign(parcel, key.fingerprint):
                    added = key.sign(data, namespace).encode("ascii")
                    signatures = parcel.beside.get(name, b"") + added
                    parcel = replace(parcel, beside={**parcel.beside, name: signatures})
                    self._host.write(self._root / snapshot_id / name, signatures.decode("ascii"), RECORD_MODE)
        return parcel, True

    def _to_sign(self, parcel: Parcel, key: str) -> list[tuple[str, bytes, str]]:
        """What a key has still to sign: the signatures' name, the bytes and what it is signed as."""
        signable = [
            (SIGNATURES, parcel.record, NAMESPACE),
            (STATEMENT_SIGNATURES, parcel.beside.get(STATEMENT), STATEMENT_NAMESPACE),
        ]
        return [
            (name, data, namespace)
            for name, data, namespace in signable
            if data is not None
            and key not in trust.signed_by(self._host, data, parse_signatures(parcel.beside.get(name, b"")), namespace)
        ]

    def judged(self, snapshot: Snapshot, policy: Policy) -> Verdict:
        """Whether one of the own store may be used, by what the site trusts now. Raises PetalError."""
        return judged_again(self._host, policy, *self.parcel(snapshot.snapshot_id))

    def _sequence(self, entry: Path) -> int | None:
        """The number of one that was built here; None where it has none, or none that can be one."""
        try:
            found = self._host.read_json(entry / SEQUENCE).get("sequence")
        except (OSError, PetalError, AttributeError):
            return None
        return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**53 else None

    def find(self, request: SnapshotRequest) -> Snapshot | None:
        """The snapshot that this build has made already; None when it has not."""
        return next((snapshot for snapshot in self.scan()[0] if request.is_met_by(snapshot)), None)

    # Writing

    def ensure(
        self,
        request: SnapshotRequest,
        quiesce: Callable[[], AbstractContextManager[VolumeAtRest]],
        check: bool = False,
        attest: Attest | None = None,
    ) -> tuple[Snapshot, bool]:
        """Make the snapshot unless this build has made it.

        :param request: what it shall say of itself.
        :param quiesce: gives the volume at rest and keeps it so.
        :param check: decide only.
        :param attest: makes what is to stand beside the record.
        :return: the record and whether it was made now. Raises PetalError.
        """
        check_fingerprint(request.fingerprint)
        found = self.find(request)
        if found is not None:
            return found, False
        if check:
            return self._record(request, 1), True
        with explained(f"writing a snapshot to {self._root}"):
            self._host.make_directory(self._root)
            with self.locked(
                f"snapshot-{request.fingerprint.partition(':')[2]}", f"making a snapshot of {request.name}"
            ):
                # Another run may have finished it while this one waited.
                found = self.find(request)
                if found is not None:
                    return found, False
                with quiesce() as source:
                    record = self._write(request, source, attest)
                return record, True

    def archive(self, snapshot_id: str) -> Path:
        """The compressed image of a snapshot."""
        return self._root / check_snapshot_id(snapshot_id) / ARCHIVE

    @contextlib.contextmanager
    def locked(self, what: str, doing: str) -> Iterator[None]:
        """Be the only one that does a thing in this store; the lock's file goes with it."""
        lock = self._store / LOCKS / f"{what}.lock"
        with self._host.lock(lock, doing):
            yield
            lock.unlink(missing_ok=True)

    def adopt(
        self,
        parcel: Parcel,
        place: Place,
        policy: Policy,
        fetch: Callable[[], Iterable[bytes]],
        doing: str,
        check: bool = False,
    ) -> tuple[Verdict, bool]:
        """Take a snapshot from elsewhere into the store; why it is trusted, and whether the store changes.

        :param parcel: its record, checked, with what is signed. place: where it comes from.
        :param policy: what the site trusts.
        :param fetch: gives the archive in pieces, which is read only where it is needed.
        :param doing: what is done, for messages. check: decide only.
            Raises TrustError where the site does not trust it, SnapshotError where the archive is not the record's, or
            another snapshot has its id.
        """
        snapshot = parcel.snapshot
        verdict = judged(self._host, policy, place, parcel)
        if not verdict.trusted:
            raise TrustError(f"{doing}: {snapshot.snapshot_id} is not taken: {verdict.reason}")
        with explained(doing):
            if self._has(snapshot, doing):
                return verdict, False
            free, need = self._host.free_bytes(self._root), (snapshot.stored_bytes or 0) + SPARE
            if free < need:
                raise SnapshotError(
                    f"{doing}: it takes {human(need)} in {self._root}, {human(free)} are free. {FREE_SPACE}"
                )
            if check:
                return verdict, True
            self._host.make_directory(self._root)
            with self.locked(f"adopt-{snapshot.snapshot_id}", doing):
                # Another run may have brought it while this one waited.
                if self._has(snapshot, doing):
                    return verdict, False
                self._adopt(parcel, Origin(place, verdict.unsigned), fetch(), doing)
        return verdict, True

    def _has(self, snapshot: Snapshot, doing: str) -> bool:
        entry = self._root / check_snapshot_id(snapshot.snapshot_id)
        if not os.path.lexists(entry):
            return False
        there = self.get(snapshot.snapshot_id)
        if (there.sha256, there.fingerprint) != (snapshot.sha256, snapshot.fingerprint):
            raise SnapshotError(f"{doing}: {entry} is another snapshot of the same id. It is left as it is.")
        return True

    def _adopt(self, parcel: Parcel, origin: Origin, pieces: Iterable[bytes], doing: str) -> None:
        snapshot = parcel.snapshot
        with self._draft(snapshot.snapshot_id) as draft:
            archive = draft / ARCHIVE
            with archive.open("xb") as stream:
                os.fchmod(stream.fileno(), MODE)
                fill(stream, snapshot, pieces, doing)
                stream.flush()
                os.fsync(stream.fileno())
            # As it came, to the byte: that is what is signed.
            for name, data in {**parcel.beside, RECORD: parcel.record}.items():
                (draft / name).write_bytes(data)
                (draft / name).chmod(RECORD_MODE)
            self._host.write_json(draft / ORIGIN, origin.to_dict(), RECORD_MODE)
            self._publish(draft, snapshot.snapshot_id)

    def _record(self, request: SnapshotRequest, size_gb: int) -> Snapshot:
        return Snapshot(
            snapshot_id="snap-" + secrets.token_hex(9)[:17],
            fingerprint=request.fingerprint,
            name=request.name,
            os=request.os,
            architecture=request.architecture,
            size_gb=size_gb,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            owner=pwd.getpwuid(os.getuid()).pw_name,
            description=request.description,
            packages=request.packages,
            tags=request.tags,
        )

    def _write(self, request: SnapshotRequest, source: VolumeAtRest, attest: Attest | None) -> Snapshot:
        record = self._record(request, source.size_gb)
        doing = f"writing the snapshot {record.snapshot_id} to {self._root}"
        used = source.image.stat().st_blocks * 512
        free = self._host.free_bytes(self._root)
        if free < SPARE:
            raise SnapshotError(f"{doing}: only {human(free)} are free. {FREE_SPACE}")
        with self._draft(record.snapshot_id) as draft:
            archive = draft / ARCHIVE
            self._archive(source.image, archive, doing)
            record = replace(record, stored_bytes=archive.stat().st_size, used_bytes=used, sha256=digest(archive))
            archive.chmod(MODE)
            self._host.write(draft / RECORD, record.record().decode(), RECORD_MODE)
            for name, text in attest(record, digest(draft / RECORD)).items() if attest else ():
                self._host.write(draft / name, text, RECORD_MODE)
            # Two builds at once have two numbers.
            with self._host.lock(self._store / LOCKS / "sequence.lock", doing):
                there = (self._sequence(entry) or 0 for entry in self._root.glob("snap-*"))
                record = replace(record, sequence=max(there, default=0) + 1)
                self._host.write_json(draft / SEQUENCE, {"sequence": record.sequence}, RECORD_MODE)
                self._publish(draft, record.snapshot_id)
        return record

    def _archive(self, image: Path, archive: Path, doing: str) -> None:
        where = ["--directory", str(image.parent), "--file", str(archive)]
        # The image has one name in every archive, so that restoring asks for exactly one member.
        rename = f"--transform=s|^.*$|{MEMBER}|"
        compress = ["--sparse", "--use-compress-program=zstd -T0 -3"]
        self._host.run(["tar", "--create", *compress, rename, *where, image.name], doing)
        descriptor = os.open(archive, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            # What is read back shall come from the disk.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
        # zstd puts a checksum of what tar gave it behind the data. Comparing with the image would read its holes too.
        self._host.run(["zstd", "--test", "--quiet", str(archive)], f"{doing}: reading it back")

    def _publish(self, draft: Path, snapshot_id: str) -> None:
        """Put it in its place. Everybody may read what there is, and the record of each."""
        draft.chmod(0o755)
        draft.replace(self._root / snapshot_id)
        self._host.sync_directory(self._root)

    @contextlib.contextmanager
    def _draft(self, name: str) -> Iterator[Path]:
        """A directory that nobody takes for a snapshot; gone at the end unless it was renamed."""
        draft = self._root / f"{UNFINISHED}{name}"
        # Between making it and locking it, nobody may take it for a dead one.
        with self._housekeeping():
            draft.mkdir(mode=0o700)
            claim = self._host.claim(draft)
            claim.__enter__()
        try:
            yield draft
        finally:
            self._host.remove(draft)
            claim.__exit__(None, None, None)

    @contextlib.contextmanager
    def _housekeeping(self) -> Iterator[None]:
        with self._host.lock(self._store / LOCKS / "snapshots.lock", f"tidying {self._root}"):
            for draft in self._root.glob(f"{UNFINISHED}*"):
                with contextlib.suppress(FileNotFoundError), self._host.claim(draft) as dead:
                    if dead:
                        self._host.remove(draft)
            # Those of earlier releases are open to all.
            for archive in self._root.glob(f"snap-*/{ARCHIVE}"):
                self._host.close(archive)
            yield

    def matching(self, snapshot_id: str | None, *fingerprints: str | None) -> list[dict[str, Any]]:
        """What would be deleted: one snapshot, a damaged one too, or all of the fingerprints.

        With both, the snapshot only if it has one of them. Each as its record, or with its id and stored_bytes.
        """
        wanted = [one for one in fingerprints if one is not None]
        if wanted:
            for one in wanted:
                check_fingerprint(one)
            found = [item for item in self.scan()[0] if item.fingerprint in wanted]
            return [item.to_dict() for item in found if snapshot_id in (None, item.snapshot_id)]
        if snapshot_id is None or not (self._root / check_snapshot_id(snapshot_id)).is_dir():
            return []
        try:
            return [self.get(snapshot_id).to_dict()]
        except PetalError:
            archive = self.archive(snapshot_id)
            return [{"snapshot_id": snapshot_id, "stored_bytes": archive.stat().st_size if archive.is_file() else 0}]

    def delete(self, snapshot_ids: Sequence[str]) -> None:
        """Delete snapshots. Renamed first, so that a crash leaves none that looks complete and is not."""
        if not snapshot_ids:
            return
        with explained(f"deleting from {self._root}"):
            with self._housekeeping():
                for item in snapshot_ids:
                    self._hide(check_snapshot_id(item))
                self._host.sync_directory(self._root)
            with self._housekeeping():
                pass

    def _hide(self, snapshot_id: str) -> None:
        """Let nobody take it for a snapshot any more; where a full disk has no room for a name, it goes at once."""
        try:
            (self._root / snapshot_id).rename(self._root / f"{UNFINISHED}{snapshot_id}")
        except OSError as error:
            if error.errno not in FULL:
                raise
            # The record first: without it nothing is taken for a snapshot.
            (self._root / snapshot_id / RECORD).unlink(missing_ok=True)
            self._host.remove(self._root / snapshot_id)

    # Restoring

    def restore(self, snapshot: Snapshot, directory: Path) -> Path:
        """Unpack the image of a snapshot into an empty directory of the store and give its path.

        The archive's digest is checked while it is unpacked; SnapshotError when it is not the recorded one.
        """
        doing = f"restoring the snapshot {snapshot.snapshot_id} to {directory.parent}"
        free, need = self._host.free_bytes(directory), (snapshot.used_bytes or 0) + SPARE
        if free < need:
            raise SnapshotError(f"{doing}: it takes {human(need)}, {human(free)} are free. {FREE_SPACE}")
        archive = self._root / snapshot.snapshot_id / ARCHIVE
        # A hostile archive shall not fill the disk: an image is as large as its record says.
        limit = ["prlimit", f"--fsize={(snapshot.size_gb + 1) * 1024**3}"]
        extract = [*limit, "tar", "--extract", "--sparse", "--no-same-owner", "--use-compress-program=zstd", "--file"]
        # What is hashed is what is unpacked, whatever becomes of the path meanwhile.
        with explained(doing), archive.open("rb") as stream, concurrent.futures.ThreadPoolExecutor(1) as pool:
            opened = Path(f"/proc/self/fd/{stream.fileno()}")
            actual = pool.submit(digest, opened)
            command = [*extract, str(opened), "--directory", str(directory), MEMBER]
            status, _output, problem = self._host.call(command, keep=(stream.fileno(),))
            if actual.result() != snapshot.sha256:
                raise SnapshotError(
                    f"{doing}: {archive} is damaged (its sha256 is {actual.result()}, recorded was {snapshot.sha256}). "
                    f"Delete the snapshot with petal.hpc.local_snapshot (state: absent) and build again."
                )
        if status != 0:
            hint = f" {FREE_SPACE}" if "No space left" in problem else ""
            raise SnapshotError(f"{doing}: tar ended with status {status}: {problem.strip()[-400:]}.{hint}")
        image = directory / MEMBER
        if image.is_symlink() or not image.is_file():
            raise SnapshotError(f"{doing}: {archive} holds no file {MEMBER}")
        image.chmod(0o600)
        return image


def fill(stream: BinaryIO, snapshot: Snapshot, pieces: Iterable[bytes], doing: str) -> None:
    """Write the archive of a snapshot, which comes from elsewhere. Raises SnapshotError when it is not the record's."""
    total, left = hashlib.sha256(), snapshot.stored_bytes or 0
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            break
        stream.write(piece)
        total.update(piece)
    if left:
        size = "more" if left < 0 else "fewer"
        raise SnapshotError(f"{doing}: {ARCHIVE} has {size} bytes than its record says. It is damaged.")
    if total.hexdigest() != snapshot.sha256:
        raise SnapshotError(
            f"{doing}: {ARCHIVE} is damaged: its sha256 is {total.hexdigest()}, recorded was {snapshot.sha256}"
        )


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb", buffering=0) as stream:
        return sha256_of(stream)
