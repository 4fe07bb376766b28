# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bill of materials in CycloneDX JSON, as far as those go who read it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What is said of anything else.
NO_BILL = "it is no bill of materials in CycloneDX JSON"


def listed(bom: Any) -> list[Mapping[str, Any]] | None:
    """Its components; None where it is no bill of materials."""
    found = bom.get("components", []) if isinstance(bom, Mapping) and bom.get("bomFormat") == "CycloneDX" else None
    return found if isinstance(found, list) and all(isinstance(item, Mapping) for item in found) else None


def has(item: Mapping[str, Any], name: str, value: str) -> bool:
    """Whether a component has a property."""
    properties = item.get("properties")
    return isinstance(properties, list) and {"name": name, "value": value} in properties


def values(item: Mapping[str, Any], name: str) -> list[str]:
    """The values of a component's properties of one name."""
    properties = item.get("properties")
    return [
        str(one.get("value", ""))
        for one in (properties if isinstance(properties, list) else ())
        if isinstance(one, Mapping) and one.get("name") == name
    ]
