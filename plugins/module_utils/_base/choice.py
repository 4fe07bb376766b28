# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshot a new volume begins with: one on whose volume the most of what is wanted may be already.

What is wanted is known by the specs of seeds only: the hashes are known once Spack has chosen. So this is a guess at
what pays, and never decides what is on the volume.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.ids import SNAPSHOT_ID
from ansible_collections.petal.hpc.plugins.module_utils._core.tags import BASE, BASE_SPECS
from ansible_collections.petal.hpc.plugins.module_utils._seed import asked as of_seed
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import is_pinned
from ansible_collections.petal.hpc.plugins.module_utils._seed.spec import canonical, parse
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.criteria import Refusal
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import COMPLETED, Snapshot

AUTO, NONE = "auto", "none"
PACKAGES, SPECS = "packages", "specs"
#: Characters of a digest that stands for a spec.
SHORT = 6
#: As many as a tag's value holds.
SPECS_MOST = 36


class BaseError(PetalError):
    """A volume cannot begin with the snapshot that was asked for, or is not as one that begins with it."""


def check_asked(text: str) -> str:
    """Give what was asked for back; BaseError where it is neither ``auto``, ``none`` nor an id."""
    if text not in (AUTO, NONE) and not SNAPSHOT_ID.fullmatch(text):
        raise BaseError(
            f"base={text[:80]!r}: expected auto (the nearest snapshot, where one pays), none (begin with nothing), or "
            "the id of a snapshot (snap-…), which list_volumes shows"
        )
    return text


@dataclass(frozen=True)
class Ground:
    """What has to be the same so that packages of one volume can be those of another: the system, the processor that
    they are for, Spack (a release, or the commit of a branch), and where the volume is mounted.
    """

    os: str
    architecture: str
    target: str
    spack: str
    mount_dir: str

    @property
    def digest(self) -> str:
        """As a tag has it."""
        said = [self.os, self.architecture, self.target, self.spack, self.mount_dir]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]

    def objection(self, other: Ground) -> str:
        """What of another one is not the same, a clause; empty where all is."""
        pairs = [
            ("is of the system", other.os, self.os),
            ("is for the architecture", other.architecture, self.architecture),
            ("is for the target", other.target, self.target),
            ("has Spack", other.spack, self.spack),
            ("is mounted at", other.mount_dir, self.mount_dir),
        ]
        wrong = [f"it {what} {theirs or 'unknown'}, not {mine}" for what, theirs, mine in pairs if theirs != mine]
        return "; ".join(wrong)


def ground(seed: Any, mount_dir: str, commit: str) -> Ground:
    """Of a seed with its defaults.

    :param commit: at which the Spack of a branch stands, or stood.
    """
    cluster, spack = _at(seed, "cluster"), _at(seed, "software", "spack")
    version = str(_at(spack, "version") or "")
    return Ground(
        os=str(_at(cluster, "os") or ""),
        architecture=str(_at(cluster, "architecture") or ""),
        target=str(_at(spack, "target") or "that of its architecture"),
        spack=version if is_pinned(version) else commit or version,
        mount_dir=mount_dir,
    )


def specs_of(seed: Any) -> dict[str, str]:
    """What a seed asks of Spack, by its digest. A spec that cannot be read is none."""
    found = {}
    for text in of_seed.specs(seed["software"]):
        try:
            spec = canonical(str(text))
        except PetalError:
            continue
        found[hashlib.sha256(spec.encode()).hexdigest()[:SHORT]] = spec
    return found


@dataclass(frozen=True)
class Sought:
    """What a new volume is to be. specs: digests of what is asked of Spack. size_gb: in GiB. fingerprints: its own, and
    older ones of the same bytes: what bears one of them is what is to be built anew. encrypted: whether it may be.
    least: packages that have to be shared for it to pay.
    """

    ground: Ground
    specs: frozenset[str]
    size_gb: int
    fingerprints: tuple[str, ...] = ()
    encrypted: bool = True
    least: int = 0

    @property
    def tags(self) -> dict[str, str]:
        """Those of a snapshot of it: its ground, and as many of the specs as a tag holds. None without specs."""
        if not self.specs:
            return {}
        return {BASE: self.ground.digest, BASE_SPECS: " ".join(sorted(self.specs)[:SPECS_MOST])}


def sought(plan: Any) -> Sought:
    """From a plan, as petal.hpc.seed_info returns it, with the commits of branches. Raises BaseError."""
    seed, mount_dir, size = _at(plan, "seed"), _at(plan, "mount_dir"), _at(plan, "size_gb")
    if not isinstance(seed, Mapping) or not mount_dir or not size:
        raise BaseError("plan has no seed, mount_dir or size_gb: expected what petal.hpc.seed_info returns as plan")
    commit = str(_at(plan, "resolved_refs", "spack") or "")
    fingerprints = tuple(str(one) for one in _at(plan, "fingerprints") or ())
    ours, specs = ground(seed, str(mount_dir), commit), frozenset(specs_of(seed))
    return Sought(ours, specs, int(size), fingerprints, _at(plan, "ebs", "encrypted") is not False)


@dataclass(frozen=True)
class Candidate:
    """A snapshot that may do. ground: the digest of its own; empty where nothing says it. specs: what was asked of
    Spack, by digest, with what each has brought. total: all that Spack has brought. unit: what that is.
    """

    snapshot: Snapshot
    ground: str = ""
    specs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    total: int = 0
    unit: str = PACKAGES
    doubt: str = ""

    def shared(self, sought: Sought) -> int:
        """How much of it may be wanted."""
        return len(frozenset().union(*(brought for spec, brought in self.specs.items() if spec in sought.specs)))


def of_manifest(snapshot: Snapshot, data: bytes | None) -> Candidate:
    """One of the local provider.

    :param data: the manifest that stands beside its record, if any.
    """
    if data is None:
        why = f"it came from {snapshot.imported}" if snapshot.imported else "an earlier release built it"
        return Candidate(snapshot, doubt=f"nothing beside its record says what is on it: {why}")
    try:
        manifest = json.loads(data)
        commit = str(_at(manifest, "versions", "spack_commit") or "")
        own = ground(manifest["seed"], str(manifest["mount_dir"]), commit)
        packages = {str(one["hash"]): one for one in manifest["packages"] if one.get("manager") == "spack"}
        specs = {
            key: frozenset(_closure(packages, parse(text).name)) for key, text in specs_of(manifest["seed"]).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, PetalError) as error:
        return Candidate(snapshot, doubt=f"its manifest cannot be read: {error!r}"[:200])
    return Candidate(snapshot, own.digest, specs, len(packages), doubt="" if packages else "Spack has brought nothing")


def _closure(packages: Mapping[str, Mapping[str, Any]], name: str) -> set[str]:
    """Hashes of the packages of a name, and of all that they need to run."""
    found: set[str] = set()
    waiting = [key for key, one in packages.items() if one.get("name") == name]
    while waiting:
        key = waiting.pop()
        if key not in found and key in packages:
            found.add(key)
            waiting += [str(one) for one in packages[key].get("dependencies") or ()]
    return found


def of_tags(snapshot: Snapshot) -> Candidate:
    """One on AWS."""
    own = snapshot.tags.get(BASE, "")
    found = {one: frozenset([one]) for one in snapshot.tags.get(BASE_SPECS, "").split()}
    doubt = "" if own and found else "its tags do not say what is on it: an earlier release built it"
    return Candidate(snapshot, own, found, len(found), SPECS, doubt)


def objection(sought: Sought, candidate: Candidate) -> str:
    """Why a volume cannot begin with one, a clause; empty where it can."""
    one = candidate.snapshot
    if one.state != COMPLETED:
        return f"its state is {one.state}"
    if one.os != sought.ground.os or one.architecture != sought.ground.architecture:
        mine = f"{sought.ground.os} {sought.ground.architecture}"
        return f"it was built for {one.os} {one.architecture}, not {mine}"
    if candidate.doubt:
        return candidate.doubt
    if candidate.ground != sought.ground.digest:
        return (
            "it has another Spack, is for another target, or is mounted elsewhere: expected "
            f"Spack {sought.ground.spack}, {sought.ground.target}, {sought.ground.mount_dir}"
        )
    if one.encrypted and not sought.encrypted:
        return "it is encrypted, and the volume is not to be"
    if one.size_gb > sought.size_gb:
        return f"it has {one.size_gb} GiB, the volume is to have {sought.size_gb}, and none shrinks"
    return ""


def useless(sought: Sought, candidate: Candidate) -> str:
    """Why a volume that can begin with one had better not, a clause; empty where it pays."""
    if candidate.snapshot.fingerprint in sought.fingerprints:
        return "it is what is to be built anew"
    shared = candidate.shared(sought)
    if candidate.unit == PACKAGES and shared < sought.least:
        return (
            f"{shared} of its {candidate.total} packages may be wanted: so few are sooner had from the host's own cache"
        )
    if 2 * shared < candidate.total or not shared:
        return f"{shared} of its {candidate.total} {candidate.unit} may be wanted, less than half"
    return ""


def ranked(sought: Sought, candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Refusal]]:
    """Those that pay, the best first, and why not the others. The candidates come the newest first, and stay so where
    nothing else tells them apart.
    """
    good, refused = [], []
    for one in candidates:
        reason = objection(sought, one) or useless(sought, one)
        if reason:
            refused.append(Refusal(one.snapshot.snapshot_id, reason))
        else:
            good.append(one)
    return sorted(good, key=lambda one: (-one.shared(sought), one.total)), refused


def named(asked: str, sought: Sought, candidates: Sequence[Candidate], where: str) -> Candidate:
    """The one that was named. Raises BaseError where it is not there, or does not fit."""
    found = next((one for one in candidates if one.snapshot.snapshot_id == asked), None)
    reason = objection(sought, found) if found else f"it is not in {where}"
    if found is None or reason:
        raise BaseError(
            f"a volume cannot begin with {asked}: {reason}. Name another one (list_volumes shows them), or leave it to "
            "-e base=auto; -e base=none begins with nothing."
        )
    return found


@dataclass(frozen=True)
class Choice:
    """What was chosen: None to begin with nothing. reason: in a sentence."""

    reason: str
    candidate: Candidate | None = None
    shared: int = 0
    passed_over: tuple[Refusal, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        one = self.candidate
        base = None
        if one is not None:
            told = {key: getattr(one.snapshot, key) for key in ("snapshot_id", "name", "fingerprint", "created")}
            base = {**told, "size_gb": one.snapshot.size_gb}
            base.update(shared=self.shared, total=one.total, unit=one.unit)
        return {"base": base, "reason": self.reason, "passed_over": [vars(item) for item in self.passed_over]}


def chosen(candidate: Candidate, sought: Sought, passed_over: Sequence[Refusal] = ()) -> Choice:
    """That one."""
    one, shared = candidate.snapshot, candidate.shared(sought)
    reason = f"{shared} of the {candidate.total} {candidate.unit} of {one.snapshot_id} ({one.name}) may be wanted"
    return Choice(reason, candidate, shared, tuple(passed_over))


def nothing(reason: str, passed_over: Sequence[Refusal] = ()) -> Choice:
    """Begin with nothing."""
    return Choice(reason, passed_over=tuple(passed_over))


def choose(
    asked: str,
    sought: Sought,
    where: str,
    candidates: Callable[[], list[Candidate]],
    doubt: Callable[[Snapshot], str],
) -> Choice:
    """What a volume begins with. Raises BaseError where one that was named cannot be used.

    :param where: the candidates are, for messages. candidates: gives them, the newest first.
    :param doubt: why the site does not trust one, a clause; empty where it does.
    """
    if check_asked(asked) == NONE:
        return nothing("base=none was asked for")
    if not sought.specs and asked == AUTO:
        return nothing("nothing is asked of Spack")
    if not sought.specs:
        raise BaseError(f"a volume cannot begin with {asked}: nothing is asked of Spack, and all else is made anew")
    if asked != AUTO:
        one = named(asked, sought, candidates(), where)
        if reason := doubt(one.snapshot):
            raise BaseError(f"a volume cannot begin with {asked}: {reason}")
        return chosen(one, sought)
    there = candidates()
    good, refused = ranked(sought, there)
    for one in good:
        reason = doubt(one.snapshot)
        if not reason:
            return chosen(one, sought, refused)
        refused.append(Refusal(one.snapshot.snapshot_id, reason))
    return nothing("no snapshot has enough of what is wanted" if there else "there is no snapshot like it", refused)


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
