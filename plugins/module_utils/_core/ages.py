# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ages as people write them."""

from __future__ import annotations

import re

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
_AGE = re.compile(r"([0-9]{1,6})([hdw])")


def parse_age(text: str, name: str = "max_age") -> int:
    """Seconds of ``90d``, ``12h`` or ``2w``. Raises PetalError for anything else; ``name`` is what was given."""
    found = _AGE.fullmatch(text.strip())
    if not found:
        raise PetalError(f"{name} is {text!r}; expected a number and its unit, such as 90d, 12h or 2w")
    return int(found[1]) * _UNITS[found[2]]
