# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: provenance
short_description: State where a volume comes from
version_added: "0.2.0"
description:
  - Gives an in-toto Statement v1 with the predicate SLSA Provenance v1 about a volume, whose manifest is the subject.
    It is for volumes whose snapshots have no digest, as those on AWS; M(petal.hpc.local_snapshot) writes its own.
  - The same build always gives the same text.
author:
  - petal.hpc contributors (@petal-hpc)
options:
  _input:
    description: The build, as the option O(petal.hpc.local_snapshot#module:provenance). The digest of C(manifest.json)
      has to be among its C(files).
    type: dict
    required: true
  host:
    description: Which host built it. It names the builder where the build has no C(builder).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the provenance of a volume
  ansible.builtin.copy:
    content: "{{ build | petal.hpc.provenance(inventory_hostname) }}"
    dest: /shared/.petal/provenance.json
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The statement, as JSON text.
  type: str
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def provenance(build: Any, host: str) -> str:
    """The filter; values of templates are converted to plain types at this door."""
    from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import checked, statement_of_volume

    try:
        stated = statement_of_volume(checked(json.loads(json.dumps(build))), str(host))
    except PetalError as error:
        raise AnsibleFilterError(f"petal.hpc.provenance: {error}") from error
    return json.dumps(stated, indent=2, sort_keys=True) + "\n"


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"provenance": provenance}
