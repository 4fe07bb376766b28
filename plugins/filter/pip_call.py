# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pip_call
short_description: How pip installs the packages of Spack's Python
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns arguments and variables for pip's commands C(install) and C(download). They take wheels alone, and nothing
    of the host's own configuration unless it is let in.
options:
  _input:
    description: The packages, as requirements of pip.
    type: list
    elements: str
    required: true
  origin:
    description:
      - Where they come from, with the keys C(python), whose pip it is; C(lock), a file of requirements with their
        digests; C(locked), whether that file is what is asked for; C(wheels), a directory of wheels in place of any
        index; C(certificates), a file of those that the host trusts; C(index_url), C(extra_index_urls) and
        C(host_config).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Install the solver from a mirror
  petal.hpc.secret_command:
    argv: "{{ call.pip + ['install'] + call.arguments }}"
    secrets: "{{ call.secrets }}"
  environment: "{{ call.environment }}"
  vars:
    call: "{{ ['clingo==5.8.3'] | petal.hpc.pip_call({'python': '/opt/venv/bin/python', 'wheels': '/srv/wheels'}) }}"
"""

RETURN = r"""
_value:
  description: Command, arguments and variables.
  type: dict
  contains:
    pip:
      description: Pip itself.
      type: list
      elements: str
    arguments:
      description: What stands behind the command.
      type: list
      elements: str
    environment:
      description: Variables that may be seen.
      type: dict
    secrets:
      description: Variables for O(petal.hpc.secret_command#module:secrets); none where no index has a token.
      type: dict
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._spack.pip import Origin


def pip_call(packages: Any, origin: Any) -> dict[str, Any]:
    """See DOCUMENTATION; values of templates are converted to plain types at this door."""
    try:
        plain = json.loads(json.dumps({"packages": list(packages), "origin": dict(origin)}))
        return Origin(**plain["origin"]).call(plain["packages"]).to_dict()
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(f"petal.hpc.pip_call takes a list of packages and their origin: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"pip_call": pip_call}
