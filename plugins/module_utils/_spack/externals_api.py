# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a host which packages its image has, for the Spack of a volume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._host import below_api as below
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import COMPILERS, parse
from ansible_collections.petal.hpc.plugins.module_utils._spack import externals
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.externals import ImageError, Offer
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import externals as script

_LOCK = ".petal/spack.lock"
_DATABASE = "spack/opt/.spack-db/index.json"


#: Where programs are that Spack detects, in an image that has no Spack of its own or has more than that knows. Not in
#: /usr: what is there on a build host may have been installed to build with, and be on no node.
_BINARIES = ("usr/local/bin", "opt/*/bin", "opt/*/*/bin", "opt/*/*/*/bin")
#: Where a Spack is, beside what a login shell finds.
_SPACKS = ("opt/spack", "usr/local/spack", "opt/*/spack")
_LINE = "{name}\t{version}\t{prefix}"


@dataclass(frozen=True)
class Wanted:
    """specs: what the image is to have. fingerprint, mount_dir: of the part of the seed that is in it, and where; or
    image_id, of an image that somebody else made. beside: externals of GCC that the volume's Spack knows already.
    compilers: those that the seed asks for.
    """

    specs: Sequence[str]
    fingerprint: str
    mount_dir: str
    image_id: str
    beside: Sequence[Mapping[str, Any]]
    compilers: Sequence[str] = ()

    @property
    def image(self) -> str:
        return f"The image {self.image_id or f'with {self.fingerprint}'}"


def ask(host: Host, spack: Spack, wanted: Wanted) -> dict[str, Any]:
    """What Spack is to be told: ``packages`` of packages.yaml, ``specs`` by which their modules are asked for,
    ``prefixes``, and ``requires``, by which a node shows that it has the image. Raises PetalError.
    """
    stranger = Stranger(host) if wanted.image_id else None
    offers = stranger.offers(wanted.specs) if stranger else _offers(Path(wanted.mount_dir), wanted.fingerprint)
    compilers = [(one.name, one.prefix) for one in offers if one.name in COMPILERS]
    detect = [([name], [f"{prefix}/bin"]) for name, prefix in compilers]
    unknown = sorted({parse(text).name for text in wanted.specs} - {one.name for one in offers})
    if stranger and unknown:
        detect.append((unknown, stranger.binaries()))
    question = {"wanted": list(wanted.specs), "offered": [one.asked for one in offers], "detect": detect}
    answer = spack.inside(script, question)
    if answer.get("providers"):
        raise ImageError(externals.no_packages(answer["providers"]))
    # What is detected of a compiler that is known is a detail of it.
    details = [one for group in answer["found"][: len(compilers)] for one in group]
    detected = [one for group in answer["found"][len(compilers) :] for one in group]
    passed = range(len(offers), len(offers) + len(details))
    fits = [[number for number in numbers if number not in passed] for numbers in answer["fits"]]
    every = [*offers, *map(externals.from_detected, [*details, *detected])]
    there = [*offers, *(stranger.others(unknown) if stranger else ()), *map(externals.from_detected, detected)]
    found = externals.chosen(wanted.specs, every, fits, wanted.image, there)
    found = externals.with_compilers(found, details)
    for offer in found:
        if not Path(offer.prefix).is_dir():
            raise ImageError(
                f"{wanted.image} says that {offer.label} is in {offer.prefix}, and no such directory is there."
            )
    says_compiler = tuple(answer["version"]) >= externals.SAYS_COMPILER
    mark = f"{wanted.mount_dir}/.petal/image-{wanted.fingerprint.partition(':')[2]}"
    reason = f"the volume uses packages of the image with {wanted.fingerprint}"
    return {
        "packages": externals.settings(found, wanted.beside, wanted.compilers, says_compiler),
        "specs": list(dict.fromkeys(one.exact for one in found)),
        "prefixes": sorted({one.prefix for one in found}),
        "requires": [{"path": mark, "reason": reason}] if wanted.fingerprint else [],
    }


class Stranger:
    """An image that somebody else made: its own Spack is asked, and what that does not know is looked for."""

    def __init__(self, host: Host, root: Path = Path("/")) -> None:
        self._host = host
        self._root = root
        self._command = self._spack()

    def _spack(self) -> str:
        # Its own set-up makes a function of that name, which hides where the program is.
        _status, output, _problem = self._host.call(["sh", "-lc", "unset -f spack; command -v spack"])
        places = [Path(line) for line in output.splitlines()[-1:] if line.startswith("/")]
        places += [home / "bin/spack" for one in _SPACKS for home in sorted(self._root.glob(one))]
        return next((str(path) for path in places if path.is_file()), "")

    def _find(self, text: str) -> list[tuple[str, str, str]]:
        """Name, version and prefix of all that its Spack has installed and takes for a spec."""
        if not self._command:
            return []
        _status, output, _problem = self._host.call([self._command, "find", "--format", _LINE, text])
        lines = [line.split("\t") for line in output.splitlines()]
        return [(line[0], line[1], line[2]) for line in lines if len(line) == 3 and line[2].startswith("/")]

    def offers(self, specs: Sequence[str]) -> list[Offer]:
        """What serves some specs; of their variants it has those that they ask for."""
        found = []
        for text in specs:
            variants = " ".join(str(variant) for variant in parse(text).variants)
            found += [Offer(text, name, version, variants, prefix) for name, version, prefix in self._find(text)]
        return found

    def others(self, names: Sequence[str]) -> list[Offer]:
        """What there is of some packages, whatever a seed asks for."""
        return [Offer("", *found[:2], "", found[2]) for name in names for found in self._find(name)]

    def binaries(self) -> list[str]:
        """Directories with programs."""
        return [str(path) for one in _BINARIES for path in sorted(self._root.glob(one)) if path.is_dir()]


def _offers(root: Path, fingerprint: str) -> list[Offer]:
    """What is in an image that build_ami made, by its documents, which have to be those of its manifest."""
    there = _json(root, ".petal/manifest.json")
    borne = there.get("fingerprint")
    if borne != fingerprint:
        has = f"the software {borne}" if borne else "no software of petal.hpc"
        raise ImageError(
            f"This host has {has} at {root}, and the volume is for an image with {fingerprint}. Build that image, "
            "petal.hpc.build_ami, and the host is launched from it."
        )
    lock = _read(root, _LOCK)
    digest = f"sha256:{hashlib.sha256(lock).hexdigest()}"
    if (there.get("locks") or {}).get(_LOCK) != digest:
        raise ImageError(f"{root}/{_LOCK} is not what the image was built with. Build the image anew.")
    return externals.from_documents(lock.decode("utf-8"), _read(root, _DATABASE).decode("utf-8"))


def _read(root: Path, name: str) -> bytes:
    try:
        with below.file(root, name) as stream:
            return stream.read()
    except FileNotFoundError:
        return b""


def _json(root: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads(_read(root, name) or b"{}")
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}
