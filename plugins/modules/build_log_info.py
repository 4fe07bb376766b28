#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: build_log_info
short_description: Find the logs of a build and read the end of one
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Looks for logs of an installation with Spack on this host, and returns the telling end of the first one. Follows no
    link, as the directories of a build are those of an ordinary user.
extends_documentation_fragment:
  - petal.hpc.info
options:
  places:
    description:
      - Files, which count as logs whatever they are called, and directories, in which C(*.log) and
        C(spack-build-*out.txt) are looked for. They need not exist. The order counts.
    type: list
    elements: path
    required: true
  lines:
    description: How many lines RV(tail) has at most, from 5 to 1000.
    type: int
    default: 20
  max_age:
    description: Only logs that changed in the last so many seconds; V(0) for all.
    type: int
    default: 0
seealso:
  - module: petal.hpc.spack_environment
"""

EXAMPLES = r"""
- name: Look for the log of what is deployed
  petal.hpc.build_log_info:
    places: [/shared/.petal/logs]
  register: found
"""

RETURN = r"""
logs:
  description: The logs, those of the first place first, of each place those that changed last, at most 100 of one.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      type: str
    size:
      description: Its size in bytes.
      type: int
    modified:
      description: When it was written last, ISO 8601 in UTC.
      type: str
paths:
  description: The paths of RV(logs).
  returned: success
  type: list
  elements: str
tail:
  description: The telling end of the first of RV(logs), errors that stand earlier first; empty where there is none.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._spack import logs_api
from ansible_collections.petal.hpc.plugins.module_utils._spack.messages import tail


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "places": {"type": "list", "elements": "path", "required": True},
            "lines": {"type": "int", "default": 20},
            "max_age": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    lines = module.params["lines"]
    if not 5 <= lines <= 1000:
        module.fail_json(msg=f"lines is {lines}: expected a number from 5 to 1000, of lines of a log for people")
    found = logs_api.find(module.params["places"], module.params["max_age"])
    said = tail(logs_api.end(found[0]), lines) if found else ""
    module.exit_json(changed=False, logs=[log.to_dict() for log in found], paths=[log.path for log in found], tail=said)


if __name__ == "__main__":
    main()
