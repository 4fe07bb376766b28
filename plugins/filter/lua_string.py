# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lua_string
short_description: Quote text as a Lua string literal
version_added: "0.1.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns a Lua string literal, with its quotation marks, that reads back as exactly the text given.
  - For templates of Lmod's modulefiles, whose names and texts come from a seed.
options:
  _input:
    description: The text.
    type: str
    required: true
  multiline:
    description: Keep line ends as real line ends in the literal, for text that people read in the file.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show a line of a modulefile
  ansible.builtin.debug:
    msg: "whatis({{ text | petal.hpc.lua_string }})"
  vars:
    text: 'Description: the "best" stack'
"""

RETURN = r"""
_value:
  description: The literal.
  type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._lmod.lua import lua_string


def quoted(value: Any, multiline: bool = False) -> str:
    """Quote a text for Lua (see DOCUMENTATION); anything but a text is an error."""
    if not isinstance(value, str):
        raise AnsibleFilterError(f"petal.hpc.lua_string quotes text, got {type(value).__name__}: {value!r}")
    return lua_string(str(value), multiline)


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"lua_string": quoted}
