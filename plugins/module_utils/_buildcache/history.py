# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What caches had of a seed before each of its builds: a line each time, in the cache that is filled.

One small file is one line, ``petal/history/SEED/DATE-KIND-TOKEN.json``: in S3 nobody can append, and two builds at once
lose nothing. Nobody signs them; they decide nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError, iso, seed_path

#: Where a cache has them. Spack does not look there.
HISTORY = "petal/history/"
#: Lines that a cache keeps of a seed, and how many of the newest are read.
KEPT = 200
READ = 20
#: Packages that a line names.
_NAMED = 1000
_LINE = re.compile(
    r"petal/history/(?P<seed>[A-Za-z0-9._-]{1,100})/(?P<when>[0-9]{8}T[0-9]{6}Z)-(?P<by>build|status)-[0-9a-f]{8}\.json"
)
_PACKAGE = re.compile(r"[A-Za-z0-9._-]{1,200}@[A-Za-z0-9._=+~-]{1,200}")
_WHEN = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z")
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)

#: What a line is of: a build, before it, or somebody who looked.
KINDS = ("build", "status")


@dataclass(frozen=True)
class Line:
    """What the caches had of a seed at a moment. size: of the archives of what they had, in bytes.

    missing: what they had not, as NAME@VERSION.
    """

    when: str
    by: str
    hits: int
    misses: int
    refused: int
    size: int
    missing: tuple[str, ...] = ()
    fingerprint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "missing": list(self.missing)}


def line_of(found: Mapping[str, Any], by: str, fingerprint: str, now: float) -> Line:
    """A line from what ``spack_buildcache_info`` has found. Raises BuildcacheError where that is something else."""
    try:
        missing = [f"{one['name']}@{one['version']}" for one in found["misses"]]
        hits, misses, refused, size = (
            int(found[name]) for name in ("hit_count", "miss_count", "refused_count", "hit_bytes")
        )
    except _UNREADABLE as error:
        raise BuildcacheError(
            "found is not what spack_buildcache_info returns for a lock: " + (str(error) or type(error).__name__)
        ) from error
    return Line(iso(now), by, hits, misses, refused, size, tuple(sorted(missing)[:_NAMED]), fingerprint)


def line_path(seed: str, by: str, now: float, token: str) -> str:
    """Where a line is. token: 8 hex digits. Raises BuildcacheError for what is no name of a seed."""
    seed_path(seed)
    moment = datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return f"{HISTORY}{seed}/{moment}-{by}-{token}.json"


def line_text(line: Line) -> str:
    """As it is in the cache."""
    return json.dumps({"schema": 1, **line.to_dict()}, sort_keys=True) + "\n"


def paths_of(paths: Iterable[str], seed: str) -> list[str]:
    """Those of the paths that are lines of a seed, the oldest first."""
    found = [match for match in map(_LINE.fullmatch, paths) if match and match["seed"] == seed]
    return [match.string for match in sorted(found, key=lambda match: (match["when"], match.string))]


def last_builds(paths: Iterable[str]) -> dict[str, float]:
    """When each seed was last built, in seconds since 1970, by the lines that there are of builds."""
    found: dict[str, float] = {}
    for match in map(_LINE.fullmatch, paths):
        if match and match["by"] == "build":
            try:
                moment = datetime.strptime(match["when"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
            except ValueError:
                continue
            found[match["seed"]] = max(moment, found.get(match["seed"], 0.0))
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def parse_line(text: str, where: str) -> Line:
    """Read one. Raises BuildcacheError where it is none: whoever writes to a cache may have made it up."""
    try:
        read = json.loads(text)
        numbers = [read[name] for name in ("hits", "misses", "refused", "size")]
        words = [read["when"], read["by"], read.get("fingerprint", "")]
        missing = list(read.get("missing", ()))
        known = _WHEN.fullmatch(words[0]) and words[1] in KINDS and len(missing) <= _NAMED
        if not known or not all(map(_is_count, numbers)):
            raise ValueError("it is no line of a history")
        if not re.fullmatch(r"[A-Za-z0-9:._-]{0,100}", words[2]) or not all(map(_PACKAGE.fullmatch, missing)):
            raise ValueError("it names what nothing is called")
    except _UNREADABLE as error:
        raise BuildcacheError(f"{where} cannot be read: {str(error)[:200] or type(error).__name__}") from error
    hits, misses, refused, size = numbers
    return Line(words[0], words[1], hits, misses, refused, size, tuple(missing), words[2])


def often_missing(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Names of packages that were missing more than once, the most frequent first, and how often."""
    counted: Counter[str] = Counter()
    for line in lines:
        counted.update({str(one).partition("@")[0] for one in line["missing"]})
    often = [(name, times) for name, times in counted.items() if times > 1]
    return [{"name": name, "times": times} for name, times in sorted(often, key=lambda one: (-one[1], one[0]))]
