# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be given as a seed: the path of its file, or its own text, as a form in a browser has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What a text is called in messages, where a file has its name.
TEXT = "seed (the text that was given)"
#: What a path may begin with that Ansible makes of others; no YAML begins so.
_TEMPLATES = ("{{", "{%", "{#")


def is_text(value: str) -> bool:
    """Whether this is a seed's own text and no path: it has several lines, or stands in braces.

    >>> [is_text(one) for one in ("a.yaml", "{{ dir }}/a.yaml", "{cluster: {name: a}}", "cluster:\\n  name: a")]
    [False, False, True, True]
    """
    text = value.strip()
    return "\n" in text or "\r" in text or (text.startswith("{") and not text.startswith(_TEMPLATES))


def refusal(value: Any) -> str:
    """Why this can be no seed, as a sentence of it; empty for a text, and where nothing is given."""
    if value is None or isinstance(value, str):
        return ""
    kind = "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, (list, tuple)) else "no text"
    return (
        f"it is {kind}. Expected one text: the path of the seed's file, or all of its YAML as it would stand there. "
        "In a file of variables that is seed: | with the YAML below it, indented; in JSON it stands in quotes."
    )
