#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: build_lock
short_description: Let one build of a fingerprint run at a time
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - The lock is a small file in the store that names the build and the process that it stands and falls with.
  - A holder on the same host, boot and pid namespace is dead exactly when its process is gone, and one from before a
    restart of this host is dead. Any other is given up when it has not renewed the lock for its O(ttl).
  - After a dead build the lock is taken over together with its build id, so that the build resumes under its own id.
  - Whoever waits says for which build and since when, after three seconds and then every minute, with any callback.
attributes:
  check_mode:
    description: Can run in check mode. Says whether the lock could be had, and neither takes it nor waits.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  fingerprint:
    description: Fingerprint of the seed, as M(petal.hpc.seed_info) returns it.
    type: str
    required: true
  state:
    description:
      - V(present) takes the lock, and waits while a living build holds it. Taken again by its holder it is renewed.
      - V(absent) gives it back, if O(holder) and O(build_id), as far as given, are the ones that hold it. Otherwise
        nothing happens.
      - V(renewing) keeps it renewed every O(interval) seconds from the controller, by a process of its own that ends
        with the process of O(holder), when the lock is given back, or when somebody else has it. The task ends at once.
        Where that process cannot get through, the lock is taken for an hour, with a warning.
    type: str
    choices: [present, absent, renewing]
    default: present
  holder:
    description:
      - The process that the build stands and falls with, with the keys C(host), C(boot_id), C(pid_namespace), C(pid)
        and C(start_time); RV(petal.hpc.seed_info#module:controller).
      - Needed to take the lock and to keep it renewed.
    type: dict
  build_id:
    description: Id of the build. Needed to take the lock.
    type: str
  timeout:
    description: Seconds to wait for the lock.
    type: int
    default: 3600
  ttl:
    description: Seconds after which a holder that cannot be seen from here counts as dead, unless it renews the lock.
    type: int
    default: 300
  interval:
    description: Seconds between two renewals with O(state=renewing).
    type: int
    default: 30
  even_if_full:
    description:
      - For a clean-up, which makes room. Where nobody has the lock and a full disk does not let it be written, go on
        without it, with a warning.
    type: bool
    default: false
  waited:
    description: Seconds that were waited before, for messages.
    type: int
    default: 0
extends_documentation_fragment: [petal.hpc.store]
"""

EXAMPLES = r"""
- name: Wait for the lock
  petal.hpc.build_lock:
    fingerprint: "{{ seed.fingerprint }}"
    holder: "{{ seed.controller }}"
    build_id: 4f1c
    timeout: 7200
  register: build

- name: Keep it renewed
  petal.hpc.build_lock:
    state: renewing
    fingerprint: "{{ seed.fingerprint }}"
    holder: "{{ seed.controller }}"
    build_id: "{{ build.lock.build_id }}"

- name: Give it back
  petal.hpc.build_lock:
    state: absent
    fingerprint: "{{ seed.fingerprint }}"
    holder: "{{ seed.controller }}"
    build_id: "{{ build.lock.build_id }}"
"""

RETURN = r"""
lock:
  description:
    - The lock; with O(state=absent) null, or the record of somebody else who holds it. With O(state=renewing) only
      C(reason), why there is nothing to renew; empty where there is.
  returned: success
  type: dict
  contains:
    build_id:
      description: Id of the build; after a take-over that of the dead build.
      type: str
    taken_over:
      description: Whether it was taken over from a dead build.
      type: bool
    waited_s:
      description: Seconds it took to get it.
      type: float
    holder:
      description: The process that holds it; in check mode the one that holds it now.
      type: dict
    reason:
      description: Why it could be had, or, in check mode, why one would have to wait.
      type: str
held:
  description: That a living build holds the lock; RV(lock) is then its record.
  returned: failure after O(timeout)
  type: bool
reason:
  description: Who holds the lock, and since when.
  returned: failure after O(timeout)
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lock.local_api import BuildLocks, LockRequest
from ansible_collections.petal.hpc.plugins.module_utils._lock.model import LockHeldError, parse_holder


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "default": "/var/lib/petal"},
            "fingerprint": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "renewing"], "default": "present"},
            "holder": {"type": "dict"},
            "build_id": {"type": "str"},
            "timeout": {"type": "int", "default": 3600},
            "ttl": {"type": "int", "default": 300},
            "interval": {"type": "int", "default": 30},
            "even_if_full": {"type": "bool", "default": False},
            "waited": {"type": "int", "default": 0},
        },
        required_if=[
            ("state", "present", ["holder", "build_id"]),
            ("state", "absent", ["holder", "build_id"], True),
            ("state", "renewing", ["holder"]),
        ],
        supports_check_mode=True,
    )
    p = module.params
    try:
        locks = BuildLocks(Host(module.run_command), p["store"])
        holder = None if p["holder"] is None else parse_holder(p["holder"])
        if p["state"] == "absent" or holder is None:
            result = locks.release(p["fingerprint"], holder, p["build_id"], module.check_mode)
        elif p["state"] == "renewing":
            result = locks.renew(p["fingerprint"], holder, module.check_mode)
        else:
            request = LockRequest(holder, p["build_id"], p["timeout"], p["ttl"], p["waited"], p["even_if_full"])
            result = locks.acquire(p["fingerprint"], request, module.check_mode)
    except LockHeldError as error:
        lock = error.record.to_dict() if error.record else None
        module.fail_json(msg=str(error), held=True, lock=lock, reason=error.reason)
    except PetalError as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
