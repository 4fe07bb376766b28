# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a build: one page of HTML that needs nothing else, from a volume's manifest and Spack's record.

squarify lays the treemap out, and Jinja2 escapes whatever is in the page. It has no script, and its policy forbids any,
and to fetch anything.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.user_cache_api import (
    keep_newest,
    replace_file,
    user_cache,
)
from ansible_collections.petal.hpc.plugins.module_utils._report.model import (
    ORIGINS,
    Build,
    Part,
    ReportError,
    Step,
    read,
    seconds_of,
    size_of,
)
from ansible_collections.petal.hpc.plugins.module_utils._report.schedule import (
    Timeline,
    Wait,
    critical_path,
    ticks,
    timeline,
    took,
    waits,
)

try:
    import squarify
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

#: Options of the action, in the form of Ansible's argument specifications.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "manifest": {"type": "dict", "required": True},
    "environment": {"type": "dict", "default": {}},
    "directory": {"type": "path"},
}
HERE = Path(__file__).parent
BUILD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
WIDTH, LABELS, ROW, TREEMAP = 1000, 230, 18, 420
#: So many reports stay in the user's cache.
KEPT = 200
#: What is drawn; tables have all.
BARS_LIMIT, PARTS_LIMIT = 300, 60
#: Of a text in a drawing, in its units: 12 to the line.
CHARACTER = 7.0


def render(manifest: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """The page. The same manifest and record give the same text. Raises PetalError.

    :param environment: what petal.hpc.spack_environment returns; ``{}`` where Spack was not asked.
    """
    if MISSING is not None:
        raise PetalError(f"install the Python package squarify on the controller ({MISSING})")
    build = read(manifest, environment)
    styles = (HERE / "build_report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(size=size_of, seconds=seconds_of, when=_when)
    given = {"styles": styles, "digest": digest}
    return templates.get_template("build_report.html.j2").render(build=build, **given, **_computed(build))


def _computed(build: Build) -> dict[str, Any]:
    steps = {one.key: one for one in build.steps}
    drawn, chain, waited = timeline(build.steps), critical_path(build.steps), waits(build.steps)
    on_volume = [one for one in build.steps if one.origin not in ("external", "tool")]
    return {
        "steps": steps,
        "origins": ORIGINS,
        "took": took,
        "waits": waited,
        "chain": chain,
        "timeline": drawn,
        "chart": _chart(drawn, steps, set(chain.keys), waited),
        "without_times": len([one for one in on_volume if one.manager == "spack" and one.started is None]),
        "treemap": _treemap(build.parts),
        "of_origins": _of_origins(build.steps),
        "licences": _licences(on_volume),
    }


# --- drawings ---------------------------------------------------------------------------------------------------------


def _chart(drawn: Timeline, steps: Mapping[str, Step], chain: set[str], waited: Mapping[str, Wait]) -> dict[str, Any]:
    """The timeline in units of the drawing: the packages that took longest, and all of the chain."""
    scale = (WIDTH - LABELS - 80) / (drawn.length or 1.0)
    longest = sorted(drawn.bars, key=lambda item: (item.key not in chain, item.begin - item.end, item.key))[:BARS_LIMIT]
    shown = {item.key for item in longest}
    bars: dict[str, dict[str, Any]] = {}
    for item in drawn.bars:
        if item.key in shown:
            wait = waited.get(item.key)
            x, width = round(LABELS + item.begin * scale, 1), round(max(1.5, (item.end - item.begin) * scale), 1)
            bars[item.key] = {
                "step": steps[item.key],
                "label": _fitting(steps[item.key].label, LABELS - 10),
                "critical": item.key in chain,
                "x": x,
                "width": width,
                "end": round(x + width, 1),
                "y": 22 + len(bars) * ROW,
                "waited_for": steps[wait.key].label if wait else "",
                # Where the line from the end of that begins; it was begun before, and so stands above.
                "after": bars.get(wait.key) if wait else None,
            }
    marks = [{"x": round(LABELS + at * scale, 1), "label": seconds_of(at) if at else "0"} for at in ticks(drawn.length)]
    cuts = [round(LABELS + at * scale, 1) for at, _pause in drawn.cuts]
    size = {"width": WIDTH, "height": 30 + len(bars) * ROW, "labels": LABELS, "row": ROW}
    return {"bars": list(bars.values()), "marks": marks, "cuts": cuts, "left_out": len(drawn.bars) - len(bars), **size}


def _treemap(parts: Sequence[Part]) -> dict[str, Any]:
    """The largest parts as rectangles, the others together as one."""
    total = sum(part.taken for part in parts)
    shown, others = list(parts[:PARTS_LIMIT]), parts[PARTS_LIMIT:]
    if others:
        together = Part(f"{len(others)} smaller ones", "rest", sum(part.taken for part in others))
        shown = sorted([*shown, together], key=lambda one: (-one.taken, one.label))
    found = []
    if shown:
        areas = squarify.normalize_sizes([part.taken for part in shown], WIDTH, TREEMAP)
        for part, place in zip(shown, squarify.squarify(areas, 0, 0, WIDTH, TREEMAP), strict=True):
            name = _fitting(part.label, place["dx"] - 8)
            box = {key: round(float(place[key]), 1) for key in ("x", "y", "dx", "dy")}
            lines = (
                [name, size_of(part.taken)]
                if place["dy"] > 34 and place["dx"] > 60
                else [name]
                if place["dy"] > 16
                else []
            )
            found.append({"part": part, "lines": lines if len(name) > 2 else [], **box})
    return {"boxes": found, "total": total, "width": WIDTH, "height": TREEMAP}


def _fitting(text: str, width: float) -> str:
    """A text, cut to what has room."""
    most = int(width / CHARACTER)
    return text if len(text) <= most else f"{text[: max(0, most - 1)]}…"


# --- sums -------------------------------------------------------------------------------------------------------------


def _of_origins(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """How many packages came from where, what they take, and how long that took, as far as it is known."""
    found = []
    for origin, meaning in ORIGINS.items():
        mine = [one for one in steps if one.origin == origin]
        sizes = [one.taken for one in mine if one.taken is not None]
        times = [value for one in mine if (value := took(one)) is not None]
        if mine:
            taken, spent = sum(sizes) if sizes else None, sum(times) if times else None
            found.append({"origin": origin, "meaning": meaning, "count": len(mine), "taken": taken, "seconds": spent})
    return found


def _licences(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Licences with the packages that bear them: what is not open first, then what is not known, then by number."""
    sorted_out: dict[tuple[str, str], set[str]] = {}
    for one in steps:
        sorted_out.setdefault((one.standing, one.license), set()).add(one.label)
    order = ["not open", "unknown", "open"]
    rows = [{"standing": key[0], "license": key[1], "labels": sorted(labels)} for key, labels in sorted_out.items()]
    return sorted(rows, key=lambda row: (order.index(row["standing"]), -len(row["labels"]), row["license"]))


def _when(value: float) -> str:
    return datetime.datetime.fromtimestamp(value, tz=datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


# --- on the controller ------------------------------------------------------------------------------------------------


def make(arguments: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """What petal.hpc.build_report returns. Raises PetalError where there can be no report.

    That a report cannot be kept on the controller ends no build: a warning says so, and ``path`` is empty. ``html`` is
    there where no file has it.
    """
    page = render(arguments["manifest"], arguments["environment"])
    build_id = str(arguments["manifest"]["build_id"])
    if not BUILD_ID.fullmatch(build_id):
        raise ReportError(f"the manifest's build_id {build_id[:100]!r} cannot be the name of a file")
    own = arguments.get("directory")
    path = Path(own or user_cache() / "petal" / "reports").expanduser() / f"{build_id}.html"
    try:
        changed = _differs(path, page)
        if changed and not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, page.encode(), 0o644)
            if not own:  # the id of a build begins with its time
                reports = sorted(one for one in path.parent.glob("[0-9]*.html") if BUILD_ID.fullmatch(one.stem))
                keep_newest(reports, KEPT)
    except OSError as error:
        told = (
            f"the report could not be kept at {path} on the controller: {error.strerror or error}. It is on the volume."
        )
        return {"changed": False, "html": page, "path": "", "warnings": [told]}
    return {"changed": changed, "path": str(path), **({"html": page} if check else {})}


def _differs(path: Path, page: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes() != page.encode()
    return True
