#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_build_lock
short_description: Let one build of a fingerprint run at a time in an AWS account and Region
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - The lock is the EC2 key pair of the build. Of two controllers that import a key pair by one name, AWS refuses the
    second. The tags of the key pair name the build and the process that it stands and falls with.
  - A holder on the same host, boot and pid namespace is dead exactly when its process is gone, and one from before a
    restart of this host is dead. Any other is given up when it has not renewed the lock for its O(ttl), by the clocks
    of both hosts.
  - After a dead build the lock is taken over together with its build id and deadline, so that the build resumes. Where
    its private key is still here, it goes on with the same key. One whose deadline has passed gets a new deadline and
    a new key.
  - A free lock is taken under the build id of a volume with the same name and fingerprint, if there is one.
  - Whoever waits says for which build and since when, after three seconds and then every minute, with any callback.
  - Runs on the controller, where the private key is kept. Needs C(ssh-keygen).
extends_documentation_fragment:
  - petal.hpc.aws
  - petal.hpc.aws.boto3
attributes:
  check_mode:
    description: Can run in check mode. Says whether the lock could be had, and neither takes it nor waits.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
options:
  name:
    description: Name of the key pair. By default C(petal-) and the first 16 hex digits of the fingerprint.
    type: str
  fingerprint:
    description: Fingerprint of the seed, as M(petal.hpc.seed_info) returns it.
    type: str
    required: true
  build_id:
    description: Id of the build. Needed to take the lock.
    type: str
  petal_name:
    description: Name of the cluster in the seed, for the tag C(petal:name).
    type: str
  holder:
    description:
      - The process that the build stands and falls with, with the keys C(host), C(boot_id), C(pid_namespace), C(pid)
        and C(start_time); RV(petal.hpc.seed_info#module:controller).
      - Needed to take the lock and to keep it renewed.
    type: dict
  state:
    description:
      - V(present) takes the lock, and waits while a living build holds it. Taken again by its holder it is renewed.
      - V(absent) gives it back and removes the private key, if O(holder) and O(build_id) are the ones that hold it.
        Otherwise nothing happens.
      - V(renewing) renews it every O(interval) seconds until the process of the holder has ended or somebody else has
        the lock; for a task with C(async).
      - V(detached) leaves the build to itself, so that whoever comes next goes on with it.
      - V(kept) does the same for what a failed build made, where nothing runs.
    type: str
    choices: [present, absent, renewing, detached, kept]
    default: present
  key_file:
    description: Where the private key is kept. By default C(petal/keys/) and O(name) in C(XDG_CACHE_HOME), C(~/.cache).
    type: path
  key_store:
    description: How the private key is kept for other controllers.
    type: dict
    suboptions:
      kind:
        description:
          - V(ssm) seals it as a parameter of Systems Manager's Parameter Store, C(/petal/build-keys/) and the id of the
            build, when it is made; a controller that takes the lock over and lacks the key fetches it from there.
          - Empty keeps it in O(key_file) only.
          - With O(state=absent) it is removed there, whoever has put it there.
        type: str
        choices: ["", ssm]
        default: ""
      kms_key_id:
        description: The key in KMS that seals it, by id, ARN or alias; by default AWS's own, C(alias/aws/ssm).
        type: str
      needed:
        description:
          - Whether the hosts of the build are reached with the key. With V(false) a take-over without the private key
            keeps RV(lock.key_pair_id), and with it the host.
        type: bool
        default: true
  timeout:
    description: Seconds to wait for the lock.
    type: int
    default: 3600
  ttl:
    description: Seconds after which a holder that cannot be seen from here counts as dead, unless it renews the lock.
    type: int
    default: 300
  build_timeout:
    description: Seconds that the build may take; the deadline is so long after its start.
    type: int
    default: 43200
  interval:
    description: Seconds between two renewals with O(state=renewing).
    type: int
    default: 60
  waited:
    description: Seconds that were waited before, for messages.
    type: int
    default: 0
  force:
    description: With V(absent), V(detached) or V(kept) whoever holds the lock.
    type: bool
    default: false
  spare_detached:
    description:
      - With V(present) a build that was left to itself counts as alive until its deadline, and so does one whose
        holder cannot be seen from here and has not renewed it for its O(ttl); for a clean-up.
    type: bool
    default: false
  spare_kept:
    description:
      - With V(present) what a build has finished counts as alive, for as long as the tag C(petal:keep-until) of its
        key pair or of its volume says; for a clean-up.
    type: bool
    default: false
  keep_for:
    description:
      - With V(kept) the seconds for which a clean-up that asks for it (O(spare_kept)) spares what is there, V(0) for
        not at all. Without it that stays as the tag C(petal:keep-until) of the volume says.
    type: int
"""

EXAMPLES = r"""
- name: Wait for the lock
  petal.hpc.aws_build_lock:
    region: eu-central-1
    fingerprint: "{{ seed.fingerprint }}"
    holder: "{{ seed.controller }}"
    build_id: 4f1c
    build_timeout: 28800
  register: build

- name: Keep it renewed
  petal.hpc.aws_build_lock:
    region: eu-central-1
    fingerprint: "{{ seed.fingerprint }}"
    holder: "{{ seed.controller }}"
    state: renewing
  async: 100000
  poll: 0

- name: Give it back
  petal.hpc.aws_build_lock:
    region: eu-central-1
    fingerprint: "{{ seed.fingerprint }}"
    holder: "{{ seed.controller }}"
    build_id: "{{ build.lock.build_id }}"
    state: absent
"""

RETURN = r"""
lock:
  description:
    - The lock. With O(state=absent) null, or that of somebody else who holds it. With O(state=renewing) only C(name),
      C(renewed) (how often) and C(reason) (why it ended).
  returned: success
  type: dict
  contains:
    lock_id:
      description: EC2's id of the key pair; another one after each take-over.
      type: str
    key_pair_id:
      description: Id under which this key was imported first. It stays the same as long as the key does.
      type: str
    name:
      description: Name of the key pair.
      type: str
    build_id:
      description: Id of the build; after a take-over that of the dead build.
      type: str
    holder:
      description: The process that holds it, or V(detached) or V(kept); in check mode the one that holds it now.
      type: raw
    renewed:
      description: When it was last renewed, in UTC.
      type: str
      sample: "2026-05-04T03:02:01Z"
    started:
      description: When the build began, in UTC.
      type: str
    deadline:
      description: When the build must have ended, in UTC.
      type: str
    remaining_s:
      description: Seconds until then; negative afterwards.
      type: int
    kept:
      description: Whether a failed build left it for the next run.
      type: bool
    keep_until:
      description: Until when a clean-up spares what was finished, in UTC; empty when it does not.
      type: str
    public_key:
      description: The public key.
      type: str
    key_file:
      description: Where the private key is.
      type: str
    key_store:
      description: Where it is kept for other controllers too, V(ssm); empty where it is not.
      type: str
    key_kept:
      description: Whether it is the key that the build had before, so that its host can still be reached.
      type: bool
    ours:
      description: Whether O(holder) had it before; in check mode with V(false) and an empty C(lock_id) nobody has it.
      type: bool
    taken_over:
      description: Whether it was taken over from a build that had ended without giving it back, or was detached.
      type: bool
    waited_s:
      description: Seconds it took to get it.
      type: float
    reason:
      description: Why it could be had, or, in check mode, why one would have to wait.
      type: str
held:
  description: That a living build holds the lock; RV(lock) is then its lock.
  returned: failure after O(timeout)
  type: bool
reason:
  description: Who holds the lock, and since when.
  returned: failure after O(timeout)
  type: str
spared:
  description:
    - What stands in the way where O(spare_detached) or O(spare_kept) do, of V(detached) and V(kept); empty otherwise.
  returned: failure after O(timeout)
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._aws.connection_api import ec2_client
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_pair import KeyHeldError
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_pair_api import KeyLocks, request_of
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store import STORES
from ansible_collections.petal.hpc.plugins.module_utils._lock.key_store_api import SealedKeys, ssm_client

STATES = ["present", "absent", "renewing", "detached", "kept"]
KEY_STORE = {
    "kind": {"type": "str", "choices": list(STORES), "default": ""},
    "kms_key_id": {"type": "str", "no_log": False},
    "needed": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str"},
            "fingerprint": {"type": "str", "required": True},
            "build_id": {"type": "str"},
            "petal_name": {"type": "str"},
            "holder": {"type": "dict"},
            "state": {"type": "str", "choices": STATES, "default": "present"},
            "key_file": {"type": "path", "no_log": False},
            "key_store": {"type": "dict", "options": KEY_STORE, "no_log": False},
            "timeout": {"type": "int", "default": 3600},
            "ttl": {"type": "int", "default": 300},
            "build_timeout": {"type": "int", "default": 43200},
            "interval": {"type": "int", "default": 60},
            "waited": {"type": "int", "default": 0},
            "force": {"type": "bool", "default": False},
            "spare_detached": {"type": "bool", "default": False},
            "spare_kept": {"type": "bool", "default": False},
            "keep_for": {"type": "int"},
        },
        required_if=[("state", "present", ["holder", "build_id"]), ("state", "renewing", ["holder"])],
        supports_check_mode=True,
    )
    host = Host(module.run_command)
    locks = KeyLocks(ec2_client(module), host, SealedKeys(lambda: ssm_client(module), host))
    try:
        result = locks.run(module.params["state"], request_of(module.params), module.check_mode)
    except KeyHeldError as error:
        module.fail_json(msg=str(error), held=True, lock=error.lock, reason=error.reason, spared=list(error.spared))
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
