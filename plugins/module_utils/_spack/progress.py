# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what an installation prints: Spack's new installer (1.2), and the one before it (1.0, 1.1).

Neither writes anything else for programs while it runs. The new installer, when it does not write to a terminal,
prints one line at each change of a package; the old one prints headings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import CACHE, SOURCE, Node

BUILDING = "building"
DONE = "done"
FAILED = "failed"

# The phase of a package that was to come from a cache, where none has it as it must be.
NO_BINARY = "no binary available"
_FROM_CACHE = ("fetching from build cache", "relocating")

# [ ] zqnjruo seqtk@1.4 install (1m04s)
_LINE = re.compile(r"\[(?P<sign>.)\] (?P<hash>[a-z0-9]{7}) (?P<name>[^\s@]+)@(?P<version>\S+)(?: (?P<text>.*))?")
_DURATION = re.compile(r" ?\((?:(\d+)h)?(?:(\d+)m)?(\d+(?:\.\d+)?)s\)$")

_HEADING = re.compile(r"==> Installing (?P<slug>\S+)-(?P<hash>[a-z0-9]{32})(?: \[\d+/\d+\])?$")
_VERSION = re.compile(r"-(?=\d)")
_PHASE = re.compile(r"==> (?P<name>\S+): Executing phase: '(?P<phase>[^']+)'")
_EXTRACT = re.compile(r"==> Extracting (?P<slug>\S+) (?:/\S+ )?from binary cache")
_SUCCESS = re.compile(r"==> (?P<name>\S+): Successfully installed (?P<slug>\S+)-(?P<hash>[a-z0-9]{32})")
_TOTAL = re.compile(r"\bTotal: (?:(\d+)h )?(?:(\d+)m )?(\d+(?:\.\d+)?)s")
_OLD_LOG = re.compile(r"^\s+(?P<log>/\S*spack-build-out\.txt)$")
_MARK = re.compile(r"^(\d{1,15}) (\d{1,15}\.\d)$", re.MULTILINE)
_ERROR = re.compile(r"^(?:==> Error: |(?:srun|salloc): (?:error|fatal): )(?P<text>.*)$")
# As scripts/farm_node.py says it.
_SITE = re.compile(
    r"==> Node (?P<host>\S{1,255}): (?P<hash>[a-z0-9]{32}), (?P<jobs>\d{1,9}) jobs, (?P<memory>\d{1,18}) bytes"
)
#: Of a hash in the lines of the new installer.
_SHORT = 7


@dataclass
class Item:
    """What is known of one package from the output. hash: seven or more characters; seconds: what Spack says it took;
    moving: it was finished in one place and is brought to another.

    started, ended: when the first line of it was there, but for that no cache has it, and the one that says that it is
    done, in seconds since 1970; None where nobody noted that.
    """

    name: str
    version: str
    hash: str
    state: str = BUILDING
    phase: str = ""
    origin: str = SOURCE
    seconds: float | None = None
    log: str = ""
    started: float | None = None
    ended: float | None = None
    moving: bool = False

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Site:
    """A node that builds a package: its name, the jobs at once there, and its memory in bytes."""

    host: str
    jobs: int
    memory: int


@dataclass
class Progress:
    """The packages in the order in which they were begun, and the lines in which Spack and Slurm name errors.

    sites: the nodes on which packages are built, by the first seven characters of their hashes; none for this host.
    """

    items: dict[str, Item] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    sites: dict[str, Site] = field(default_factory=dict)

    def site(self, item: Item) -> Site | None:
        """The node that builds a package; None for this host."""
        return self.sites.get(item.hash[:_SHORT])

    def at_work(self, item: Item) -> str:
        """What is being done, and where: ``htslib@1.21 build (c3)``."""
        site = self.site(item)
        return f"{item.label} {item.phase}".strip() + (f" ({site.host})" if site else "")

    def in_state(self, state: str) -> list[Item]:
        """The packages in a state, in the order in which they were begun."""
        return [item for item in self.items.values() if item.state == state]

    def by_hash(self, nodes: Mapping[str, Node]) -> dict[str, Item]:
        """The packages by their full hashes; what is not in ``nodes`` is left out."""
        found = {}
        for item in self.items.values():
            for key in _matching(item, nodes):
                found[key] = item
        return found


def _matching(item: Item, nodes: Mapping[str, Node]) -> list[str]:
    if item.hash in nodes:
        return [item.hash]
    return [key for key, node in nodes.items() if key.startswith(item.hash) and node.name == item.name]


def seen(output: bytes, clock: str) -> tuple[list[str], list[float | None]]:
    """The lines of an output, and when each was there by the clock of ``scripts/runner.py``; None where it has no time.

    >>> seen(b"one\\ntwo\\n", "4 1700000000.5\\n")
    (['one', 'two'], [1700000000.5, None])
    """
    marks = [(int(size), float(when)) for size, when in _MARK.findall(clock)]
    lines: list[str] = []
    times: list[float | None] = []
    position = index = 0
    for piece in output.split(b"\n"):
        position += len(piece) + 1
        while index < len(marks) and marks[index][0] < position:
            index += 1
        found = piece.decode("utf-8", "replace").splitlines()
        lines += found
        times += [marks[index][1] if index < len(marks) else None] * len(found)
    return lines, times


def read_output(lines: Iterable[str], times: Iterable[float | None] = ()) -> Progress:
    """Read the output of ``spack install``, as far as it goes; both formats, told apart line by line.

    :param times: when each line was there, as far as that is known.
    """
    found = Progress()
    old = _OldInstaller(found)
    for line, now in zip(lines, chain(times, repeat(None))):
        text = line.rstrip("\n")
        error = _ERROR.match(text)
        if error:
            found.errors.append(error["text"])
        site = _SITE.fullmatch(text)
        if site:
            found.sites[site["hash"][:_SHORT]] = Site(site["host"], int(site["jobs"]), int(site["memory"]))
        match = _LINE.fullmatch(text)
        if match:
            _take(found, match, now)
        else:
            old.read(text, bool(error), now)
    return found


def _take(found: Progress, match: re.Match[str], now: float | None) -> None:
    text = match["text"] or ""
    duration = _DURATION.search(text)
    if duration:
        text = text[: duration.start()]
    sign = match["sign"]
    item = found.items.setdefault(match["hash"], Item(match["name"], match["version"], match["hash"]))
    if sign in "+e":
        item.state = DONE
        # A package that another process installed meanwhile has no phase here; where it came from is not known.
    elif sign == "x":
        item.state = FAILED
        item.log = text.partition("failed: ")[2]
    elif item.state == DONE:
        # It was built elsewhere and is brought to its place: where it came from and how long that took is known.
        item.moving = True
        return
    else:
        item.state, item.phase = BUILDING, text
        item.origin = CACHE if text in _FROM_CACHE else SOURCE
        # What no cache has waits once more, for what it is built with. What begins with its end nobody saw begin.
        item.started = None if text == NO_BINARY else now if item.started is None else item.started
    if sign != " " and duration and not item.moving:
        item.seconds = _seconds(duration)
    # To be brought to its place later makes nothing longer.
    if sign != " " and not item.moving:
        item.ended = now


def _seconds(match: re.Match[str]) -> float:
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def _parted(slug: str) -> tuple[str, str]:
    """Name and version. Both may have dashes: the first part that begins with a digit begins the version.

    >>> _parted("intel-oneapi-mkl-2024.2-rc1"), _parted("py-pip-main")
    (('intel-oneapi-mkl', '2024.2-rc1'), ('py-pip', 'main'))
    """
    found = _VERSION.search(slug, 1)
    name, _dash, version = (slug[: found.start()], "-", slug[found.end() :]) if found else slug.rpartition("-")
    return name, version


class _OldInstaller:
    """Headings: a package begins with one, and its lines follow until the next one of the same process."""

    def __init__(self, found: Progress) -> None:
        self._found = found
        self._now: Item | None = None
        self._timed: Item | None = None

    def read(self, text: str, error: bool, now: float | None) -> None:
        heading = _HEADING.fullmatch(text)
        name, version = _parted(heading["slug"]) if heading else ("", "")
        if heading and name and version:
            self._now = Item(name, version, heading["hash"], phase="staging", started=now)
            self._found.items[self._now.hash] = self._now
            return
        success = _SUCCESS.match(text)
        total = _TOTAL.search(text)
        if success:
            self._timed = self._found.items.get(success["hash"])
            if self._timed:
                self._timed.state, self._timed.ended = DONE, now
        elif total and self._timed:
            self._timed.seconds, self._timed = _seconds(total), None
        elif self._now:
            self._follow(self._now, text, error, now)

    def _follow(self, item: Item, text: str, error: bool, now: float | None) -> None:
        phase = _PHASE.match(text)
        log = _OLD_LOG.match(text)
        if phase and phase["name"] == item.name:
            item.phase = phase["phase"]
        elif _EXTRACT.match(text):
            item.phase, item.origin = "relocating", CACHE
        elif text.startswith("[+] /"):
            item.state, self._now = DONE, None
            # What comes from a cache has no other end.
            item.ended = item.ended or now
        elif log:
            item.log = log["log"]
        elif error and item.state == BUILDING:
            item.state = FAILED
