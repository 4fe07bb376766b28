# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put an Apptainer at its place, from package files of Debian's, or fetch these."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._apptainer import deb_api, model
from ansible_collections.petal.hpc.plugins.module_utils._apptainer.apt_api import Apt
from ansible_collections.petal.hpc.plugins.module_utils._apptainer.model import (
    ApptainerError,
    Deb,
    Machine,
    Record,
    Source,
)
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import UNFINISHED, Host, explained, sha256_of
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import failure

#: The links without which the starter, which is three directories further down, finds neither settings nor its session.
_LINKS = {"lib/etc": "../etc", "lib/var": "../var"}
_SESSION = "var/lib/apptainer/mnt/session"
_CONFIGURATION = "etc/apptainer/apptainer.conf"


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be. reason: why, as a clause; empty where nothing is to be done."""

    reason: str
    packages: tuple[Deb, ...] = ()

    def to_dict(self, prefix: str) -> dict[str, Any]:
        """What a module returns of it. prefix: of the installation; empty where there is none."""
        entries = [deb.entry() for deb in self.packages if not (prefix and model.PACKAGES[deb.name].tool)]
        own = [entry for entry in entries if entry["name"] == model.APPTAINER]
        for entry in own if prefix else ():
            entry["prefix"] = prefix
        return {
            "changed": bool(self.reason),
            "reason": self.reason,
            "version": own[0]["version"] if own else "",
            "packages": entries,
        }


class Provider:
    """Where package files come from, and which ones are wanted.

    :param versions: by packages; without one whatever is there will do. digests: SHA-256 of files that are allowed; all
        where there are none.
    """

    def __init__(
        self,
        host: Host,
        source: Source,
        machine: Machine,
        cache_dir: str,
        versions: Mapping[str, str],
        digests: frozenset[str],
    ) -> None:
        self._host = host
        self._cache_dir = Path(cache_dir)
        self.source = source
        self.machine = machine
        self.versions = versions
        self.digests = digests

    def found(self, directory: Path) -> dict[Path, Deb]:
        """The package files in a directory, all that it takes. Raises ApptainerError."""
        if not directory.is_dir():
            raise ApptainerError(f"directory {directory} is not there: expected one with package files (*.deb)")
        # A draft is of a run that was killed, or that is still at it.
        files_there = sorted(path for path in directory.glob("*.deb") if not path.name.startswith(UNFINISHED))
        read = {str(path): deb_api.read(path) for path in files_there}
        files = model.chosen(read, self.machine, str(directory))
        model.check_debs([read[file] for file in files.values()], self.versions, self.digests)
        return {Path(file): read[file] for _name, file in sorted(files.items())}

    @contextlib.contextmanager
    def files(self) -> Iterator[dict[Path, Deb]]:
        """Those of the directory, else what was fetched, for as long as it is needed. Raises ApptainerError."""
        if self.source.directory:
            yield self.found(Path(self.source.directory))
            return
        with explained(f"making {self._cache_dir}"):
            self._host.make_directory(self._cache_dir)
        with tempfile.TemporaryDirectory(prefix="apptainer-", dir=self._cache_dir) as scratch:
            fetched = Path(scratch, "packages")
            fetched.mkdir()
            Apt(self._host, Path(scratch, "apt"), self.source, self.machine).fetch(self.versions, fetched)
            yield self.found(fetched)

    def fill(self, check: bool) -> Outcome:
        """Fetch into the directory what it lacks. Raises ApptainerError."""
        directory = Path(self.source.directory)
        try:
            return Outcome("", tuple(self.found(directory).values()))
        except ApptainerError as error:
            reason = str(error)
        if check:
            return Outcome(reason)
        elsewhere = replace(self.source, directory="")
        provider = Provider(self._host, elsewhere, self.machine, str(self._cache_dir), self.versions, self.digests)
        with provider.files() as files, explained(f"filling {directory}"):
            self._host.make_directory(directory)
            for path in directory.glob("*.deb"):
                if path.name.startswith(UNFINISHED):
                    path.unlink()
                    continue
                with contextlib.suppress(ApptainerError):
                    old = deb_api.read(path)
                    if old.name in model.PACKAGES and old.architecture == self.machine.deb:
                        path.unlink()
            for path in files:
                draft = directory / f"{UNFINISHED}{path.name}"
                shutil.copyfile(path, draft)
                draft.chmod(0o644)
                draft.replace(directory / path.name)
        # Something else in it may be no package file at all.
        return Outcome(reason, tuple(self.found(directory).values()))


class Installation:
    """The Apptainer at a place of its own."""

    def __init__(self, host: Host, prefix: str, provider: Provider) -> None:
        self._host = host
        self._prefix = Path(prefix)
        self._draft = self._prefix.parent / f"{UNFINISHED}{self._prefix.name}"
        self._provider = provider
        self._machine = provider.machine

    def ensure(self, check: bool) -> Outcome:
        """Make it as it is wanted, where it is not. Raises PetalError."""
        with explained(f"looking at {self._prefix}"):
            record = self._record()
            reason = self._reason(record)
        if not reason:
            reason = "a run that was killed has left something behind" if self._draft.exists() else ""
            if reason and not check:
                self._host.remove(self._draft)
            return Outcome(reason, record.packages if record else ())
        if check:
            # What a directory has is known already, and so is what is wrong with it.
            known = (
                self._provider.found(Path(self._provider.source.directory)) if self._provider.source.directory else {}
            )
            return Outcome(reason, tuple(known.values()))
        with self._provider.files() as files, explained(f"installing Apptainer at {self._prefix}"):
            try:
                self._build(files)
                self._swap()
            finally:
                self._host.remove(self._draft)
        return Outcome(reason, tuple(files.values()))

    def _reason(self, record: Record | None) -> str:
        provider = self._provider
        reason = model.differs(record, str(self._prefix), self._machine, provider.source, provider.versions)
        if reason or record is None:
            return reason
        if provider.source.directory:
            if set(provider.found(Path(provider.source.directory)).values()) != set(record.packages):
                return "the directory has other packages"
        elif provider.digests and not provider.digests.issuperset(deb.sha256 for deb in record.packages):
            return "other package files are asked for"
        return "" if record.files == _contents(self._prefix) else "its files are not those that were installed"

    def _record(self) -> Record | None:
        path = self._prefix / model.RECORD
        if not path.is_file():
            return None
        try:
            return model.read_record(self._host.read_json(path))
        except PetalError:
            return None

    def _build(self, files: Mapping[Path, Deb]) -> None:
        self._host.remove(self._draft)
        tools, new = self._draft / "tools", self._draft / "new"
        self._host.make_directory(new)
        for path, deb in files.items():
            package = model.PACKAGES[deb.name]
            if not package.tool:
                deb_api.unpack(path, package, self._machine, new)
            if package.tool or package.name in ("libc6", "libgcc-s1"):
                deb_api.unpack(path, package, self._machine, tools)
        times = max(path.stat().st_mtime for path in new.rglob("*") if path.is_file())
        self._relocate(tools, new)
        (new / _CONFIGURATION).write_text(model.CONFIGURATION, encoding="utf-8")
        (new / _SESSION).mkdir(parents=True)
        for link, target in _LINKS.items():
            (new / link).symlink_to(target)
        source = self._provider.source
        suites = () if source.directory else (source.suite, source.base_suite)
        record = Record(str(self._prefix), self._machine.deb, suites, tuple(files.values()), _contents(new))
        self._host.write_json(new / model.RECORD, record.to_dict())
        _dress(new, times)

    def _relocate(self, tools: Path, new: Path) -> None:
        libraries = tools / self._machine.libraries
        loader = [str(libraries / self._machine.loader), "--library-path", str(libraries)]
        patchelf = [*loader, str(tools / "bin" / "patchelf")]
        for program in self._machine.relocated:
            before = (new / program).stat()
            command = model.relocation(patchelf, str(self._prefix), self._machine, str(new / program))
            self._host.run(command, f"giving {program} its loader")
            os.utime(new / program, (before.st_mtime, before.st_mtime))

    def _swap(self) -> None:
        """Put it in its place, and see that it runs there; else what was there before is there again."""
        old = self._draft / "old"
        there = self._prefix.exists()
        if there:
            self._prefix.rename(old)
        try:
            (self._draft / "new").rename(self._prefix)
            self._try()
        except BaseException:
            self._host.remove(self._prefix)
            if there:
                old.rename(self._prefix)
            raise

    def _try(self) -> None:
        loader = str(self._prefix / self._machine.libraries / self._machine.loader)
        for program in self._machine.relocated:
            command = [loader, "--list", str(self._prefix / program)]
            status, output, problem = self._host.call(command)
            foreign = model.foreign_libraries(output, str(self._prefix))
            if status != 0 or foreign:
                said = ", ".join(foreign) or " ".join(problem.split())[-400:]
                raise ApptainerError(
                    f"{program} does not run with its own libraries: {said}. These packages do not fit together: take "
                    "base_suite from the same time as suite, or versions that do."
                )
        command = [str(self._prefix / "bin/apptainer"), "--version"]
        status, output, problem = self._host.call(command)
        if status != 0 or not output.startswith("apptainer version"):
            raise ApptainerError(failure("trying Apptainer", command[0], status, problem or output))


def _contents(directory: Path) -> dict[str, str]:
    """Every file below a directory but the record, with its SHA-256, and every link with what it leads to."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = f"link:{path.readlink()}"
        elif path.is_file() and name != model.RECORD:
            with path.open("rb") as stream:
                found[name] = sha256_of(stream)
    return found


def _dress(directory: Path, time: float) -> None:
    """Let all read it and nobody but the owner write it; what we made ourselves has the time of the newest file."""
    ours: Sequence[Path] = (directory / _CONFIGURATION, directory / model.RECORD)
    for path in ours:
        path.chmod(0o644)
        os.utime(path, (time, time))
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.is_symlink():
            os.utime(path, (time, time), follow_symlinks=False)
        elif path.is_dir():
            path.chmod(0o755)
            os.utime(path, (time, time))
    directory.chmod(0o755)
    os.utime(directory, (time, time))
