"""The action and its documentation name the same options."""

from __future__ import annotations

from typing import Any

import yaml

from ansible_collections.petal.hpc.plugins.modules import seed_info as documentation
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_info import ARGUMENTS


def spec_of(options: dict[str, Any]) -> dict[str, Any]:
    """An argument specification from documented options."""
    result: dict[str, Any] = {}
    for name, option in options.items():
        result[name] = {key: option[key] for key in ("type", "required", "elements") if key in option}
        if "suboptions" in option:
            result[name]["options"] = spec_of(option["suboptions"])
    return result


def test_documentation_and_arguments_agree() -> None:
    assert spec_of(yaml.safe_load(documentation.DOCUMENTATION)["options"]) == ARGUMENTS
