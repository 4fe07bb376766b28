# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to say of sources that cannot be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Of each that is missing or unknown, how many are listed.
MOST = 40
_LONGEST = 400


def label(one: Mapping[str, Any]) -> str:
    """What is meant, as ``zlib@1.3.1`` or ``zlib@1.3.1 (patch)``."""
    kind = "" if one["what"] == "source" else f" ({one['what']})"
    return f"{one['package']}@{one['version']}{kind}"


def missing_message(answer: Mapping[str, Any], host: str) -> str:
    """One message for all sources that are nowhere.

    :param answer: of ``scripts/sources.py``.
    """
    missing: Sequence[Mapping[str, Any]] = answer["missing"]
    verb, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    lines = [
        f"{len(missing)} of the {answer['count']} sources that are to be built {verb} nowhere to be had from {host}, "
        "so nothing was begun:",
        *(f"    {line}"[:_LONGEST] for line in _listed(missing, "looked")),
    ]
    mirrors = ", ".join(answer["mirrors"])
    lines.append(
        f"Looked for in the mirrors {mirrors}, and then where each comes from."
        if mirrors
        else "Looked for where each comes from; no mirror of sources is known here."
    )
    lines.append(
        f"Put {them} into a mirror (the playbook petal.hpc.mirror fills one where there is a network; then "
        "-e spack_mirror_dir=DIR), name a binary cache that has the packages, or ask for versions whose sources "
        "there are. The module's look_for_sources: false builds without looking."
    )
    return "\n".join(lines)


def for_users_message(labels: Sequence[str], host: str) -> str:
    """A warning of what only users who compile on top would have had of the volume."""
    return (
        f"{', '.join(labels)} is in no binary cache, and its source is nowhere to be had from {host}, so the volume is "
        "made without it: who compiles on top with a Spack of their own needs that source. Put it into a mirror "
        "(the playbook petal.hpc.mirror does) and build the volume anew to have it there."
    )


def unknown_message(unknown: Sequence[Mapping[str, Any]]) -> str:
    """A warning of sources of which nobody can tell before they are fetched."""
    return (
        "Whether these sources can be had is seen only when they are fetched: "
        f"{'; '.join(line[:_LONGEST] for line in _listed(unknown, 'unknown'))}."
    )


def _listed(several: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """What there is of each, at most so many."""
    found = []
    for one in several[:MOST]:
        value = one[key]
        why = value if isinstance(value, str) else "; ".join(value)
        found.append(f"{label(one)}: {' '.join(why.split()) or 'its recipe names no place'}")
    more = len(several) - MOST
    return [*found, *([f"and {more} more"] if more > 0 else [])]
