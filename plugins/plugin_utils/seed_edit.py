# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes into a user's seed: a value takes the place of another one, or a line is put in, and nothing else changes.

What comes of it is read again as a seed is, and compared: a file that cannot be changed in this way stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.petal.hpc.plugins.module_utils._host.user_cache_api import replace_file
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import Problem, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.given import is_text
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_text
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_file import parse_seed, read_seed_file
from ansible_collections.petal.hpc.plugins.plugin_utils.seed_info import find_seed

#: A section of the seed and a key in it.
Place = tuple[str, str]


def save_image(path: str, playbook_dir: str, image_id: str, check: bool = False) -> dict[str, Any]:
    """Let a seed say which image has its software; what the action returns. Raises SeedError.

    check: say what would be written.
    """
    file = Path("" if is_text(path) else find_seed(path, playbook_dir)).resolve()
    seed_text.refuse(path, str(file), "the image")
    # Bounded and checked, before anything else reads it.
    read_seed_file(file)
    before = file.read_bytes().decode()
    wanted: dict[Place, Any] = {("compute", "custom_ami"): image_id, ("software", "use_custom_ami"): True}
    after = edited(before, wanted, str(file))
    if after != before and not check:
        _write(file, after)
    shown = {"before": before, "after": after, "before_header": str(file), "after_header": str(file)}
    return {"changed": after != before, "path": str(file), "diff": shown}


def edited(text: str, values: Mapping[Place, Any], name: str) -> str:
    """A seed's text with some values set. Raises SeedError where that cannot be done without changing anything else."""
    expected = copy.deepcopy(parse_seed(text.encode(), name).data)
    for (section, key), value in values.items():
        mapping = expected.get(section) if isinstance(expected, dict) else None
        if not isinstance(mapping, dict):
            raise _impossible(values, name, f"it has no {section}")
        mapping[key] = value
        text = _with(text, section, key, str(value).lower())
    try:
        found = parse_seed(text.encode(), name).data
    except SeedError as error:
        raise _impossible(values, name, "it would be none any more") from error
    if found != expected:
        raise _impossible(values, name, "an alias or a merge stands there, and more would change than that")
    return text


def _with(text: str, section: str, key: str, value: str) -> str:
    """The text with one value in its place, or with a line for it. What is not found stays as it is."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    mapping = next((node for name, node in pairs if name.value == section), None)
    if not isinstance(mapping, yaml.MappingNode):
        return text
    for name, node in mapping.value:
        if name.value == key:
            start, end = node.start_mark.index, node.end_mark.index
            blank = " " if text[start - 1 : start] == ":" else ""
            return f"{text[:start]}{blank}{value}{text[end:]}"
    if mapping.flow_style:
        at = mapping.start_mark.index + 1
        return f"{text[:at]}{key}: {value}{', ' if mapping.value else ''}{text[at:]}"
    name, first = mapping.value[0]
    line = text.rfind("\n", 0, name.start_mark.index) + 1
    indent = text[line : name.start_mark.index]
    # Behind the first key where that takes one line, so that a comment above stays its own.
    if isinstance(first, yaml.ScalarNode) and first.start_mark.line == first.end_mark.line == name.start_mark.line:
        end = text.find("\n", first.end_mark.index)
        text, line = (text, end + 1) if end >= 0 else (f"{text}\n", len(text) + 1)
    return f"{text[:line]}{indent}{key}: {value}\n{text[line:]}"


def _impossible(values: Mapping[Place, Any], name: str, why: str) -> SeedError:
    lines = ", ".join(f"{section}.{key}: {str(value).lower()}" for (section, key), value in values.items())
    message = f"the image could not be written into the seed, which stays as it is: {why}"
    return SeedError([Problem("", message, hint=f"write it by hand: {lines}")], name)


def _write(file: Path, text: str) -> None:
    """In one step, with the mode that it has."""
    try:
        replace_file(file, text.encode(), file.stat().st_mode & 0o7777)
    except OSError as error:
        message = f"the image could not be written into the seed, which stays as it is: {error.strerror}"
        raise SeedError([Problem("", message)], str(file)) from error
