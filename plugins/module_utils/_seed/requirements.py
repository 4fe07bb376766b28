# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python requirements as `packaging` reads them, the library that ansible-core brings to the controller.

It is the one part of the pure core that stands on more than the standard library, so no module may reach it: managed
nodes have no `packaging`. tests/unit/test_layers.py holds both.
"""

from __future__ import annotations

import re
import textwrap

from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Flaw

#: What people write most often that is none, with what they mean: packaging only says what it had expected.
_MEANT = (
    (re.compile(r"~= ?[0-9]+ *(?:[,;)]|$)", re.ASCII), "~= wants at least two numbers: ~=1.0"),
    (re.compile(r"[^<>=!~;]=[^=]", re.ASCII), "one = is no comparison: write =="),
)


def requirement(text: str) -> Flaw | str | None:
    """A Python requirement as PEP 508 writes it, of those that plain_requirement() allows."""
    # Here, because most seeds have none, and a hit is to cost little.
    from packaging.requirements import InvalidRequirement, Requirement

    flaw = grammar.plain_requirement(text)
    if flaw:
        return flaw
    try:
        name = Requirement(text).name
    except InvalidRequirement as error:
        reason, _newline, place = str(error).partition("\n")
        meant = [hint for pattern, hint in _MEANT if pattern.search(text)]
        message = f"this is no Python requirement: {reason[:1].lower()}{reason[1:]}"
        return Flaw(message, "\n".join([textwrap.dedent(place), *meant[:1]]))
    except RecursionError:
        return "this is no Python requirement: its parentheses are nested too deeply"
    # packaging takes it, and not what the canonical form makes of it.
    if name.endswith("_"):
        return f"this is no Python requirement: the name {name} ends with _, expected a letter or digit"
    return None
