# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redacted
short_description: Take tokens out of the addresses in a text
version_added: "0.1.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns the text without the user names, passwords and queries of the addresses in it, for messages and for what is
    written down.
options:
  _input:
    description: The text.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say where it comes from
  ansible.builtin.debug:
    msg: "From {{ 'https://USER:TOKEN@example.org/x.tar.gz?sig=SIGNATURE' | petal.hpc.redacted }}"
"""

RETURN = r"""
_value:
  description: The text, as C(From https://example.org/x.tar.gz?…).
  type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import redacted


def shown(text: Any) -> str:
    """See DOCUMENTATION; anything but a text is an error."""
    if not isinstance(text, str):
        raise AnsibleFilterError(f"petal.hpc.redacted takes a text, got {type(text).__name__}")
    return redacted(str(text))


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"redacted": shown}
