# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Spack's solver has chosen on this host for one set of inputs: chosen once, and taken by every volume after that.

Kept is what was chosen for an empty store, from recipes as they were checked out, so that it is the same hashes as from
nothing. All that decides is in the key: what is wanted, Spack and its packages by their commits, a site's recipes by
what they hold, Spack's settings, its Python, and of the host its system, its C library and its processor.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import PROC
from ansible_collections.petal.hpc.plugins.module_utils._host.kept_api import Kept, key_of
from ansible_collections.petal.hpc.plugins.module_utils._spack import lockfile, plan
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack, git_head, is_checkout
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import EnvironmentRequest, Probe

#: Solutions that are kept; one takes some hundred kilobytes.
MOST = 100
FILES = ("spack.yaml", "spack.lock")
RECORD = "record.json"
#: Lines of /proc/cpuinfo that change from one moment to the next.
RESTLESS = ("cpu MHz", "bogomips", "BogoMIPS", "processor", "core id", "apicid", "initial apicid")


@dataclass(frozen=True)
class Solution:
    """One that was taken: where its files are now, what Spack said before it was made, and how it was found."""

    probe: Probe
    figures: dict[str, Any]
    several: bool
    otherwise: tuple[str, ...] = ()


class Solutions:
    """Those of one host.

    :param directory: of the host's own cache; empty for none.
    :param sources: Spack's checkout, that of its packages, and the directories of a site's recipes; none where they are
        not known: nothing is kept then.
    :param prune: whether the solver leaves out what cannot be needed.
    """

    def __init__(self, spack: Spack, directory: str, sources: Sequence[str], prune: bool) -> None:
        self._spack = spack
        self._kept = Kept(Path(directory, "solutions") if directory and sources else None, MOST)
        self._sources = sources if directory else ()
        self._prune = prune

    def take(self, wanted: EnvironmentRequest, draft: Path) -> Solution | None:
        """Bring one into ``draft``; None where there is none."""
        key = self._key(wanted)
        entry = self._kept.take(key) if key else None
        if entry is None:
            return None
        try:
            texts = {}
            with below.directory(entry) as directory:
                for name in (*FILES, RECORD):
                    with below.reading(directory, name) as stream:
                        texts[name] = stream.read().decode("utf-8")
            record = json.loads(texts[RECORD])
            probe = Probe.from_dict(record["probe"])
            lockfile.parse_lock(texts["spack.lock"])
        except (OSError, ValueError, KeyError, PetalError):
            return None
        for name in FILES:
            self._spack.write(draft / name, texts[name])
        figures = {"concretize_s": 0.0, "pruned": bool(record["pruned"]), "solves": 0}
        return Solution(probe, figures, bool(record["several"]), tuple(record["otherwise"]))

    def put(self, wanted: EnvironmentRequest, draft: Path, probe: Probe, figures: Mapping[str, Any]) -> None:
        """Keep the one in ``draft``, where it is as from nothing."""
        key = self._key(wanted) if probe.repeatable else ""
        if not key or self._kept.take(key) is not None:
            return
        # A site may have recipes of its own in the checkout of Spack, and its settings; what is Spack's counts there.
        checkouts = [path for path in map(Path, self._sources) if is_checkout(path)]
        if not all(self._spack.is_clean(path, strays=str(path) != probe.root) for path in checkouts):
            return
        version = ".".join(map(str, probe.version))
        said = {"version": version, "root": probe.root, "external": probe.external}
        record = {
            "probe": {**said, "repositories": list(probe.repositories)},
            "pruned": figures["pruned"],
            "several": figures["several"],
            "otherwise": list(figures["otherwise"]),
        }
        files = {name: (draft / name).read_bytes() for name in FILES}
        self._kept.put(key, {**files, RECORD: json.dumps(record).encode()})

    def _key(self, wanted: EnvironmentRequest) -> str:
        """The key of what is wanted; empty where something that decides cannot be read, or nothing is kept."""
        if not self._sources or self._kept.flaw():
            return ""
        root = self._sources[0]
        try:
            commits = {path: git_head(Path(path)) if is_checkout(Path(path)) else "" for path in self._sources}
            held = {path: _digest_of(Path(path)) for path, commit in commits.items() if not commit}
        except OSError:
            return ""
        python = self._spack.python_packages()
        if not commits[root] or not python:
            return ""
        value = {
            "schema": 2,
            "digest": plan.digest(wanted, self._spack.sources(root, ())),
            "commits": commits,
            "held": held,
            "order": list(self._sources),
            "prune": self._prune,
            "python": python,
            "host": host_facts(),
        }
        return key_of(value)


def host_facts() -> dict[str, Any]:
    """What of this host decides what the solver chooses: its system, its C library, its processor."""
    lines = (PROC / "cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].splitlines()
    return {
        "system": Path("/etc/os-release").read_text(encoding="utf-8", errors="replace"),
        "machine": os.uname().machine,
        "libc": os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else "",
        "processor": [line for line in lines if line.partition(":")[0].strip() not in RESTLESS],
    }


def _files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _digest_of(directory: Path) -> str:
    """Digest of all that a directory holds."""
    total = hashlib.sha256()
    for path in _files(directory):
        total.update(f"{path.relative_to(directory)}\0".encode("utf-8", "surrogateescape"))
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
