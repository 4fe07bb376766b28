# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: deployment_target
short_description: Which snapshot a cluster is to use
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Decides which snapshot a cluster of an inventory, or this host alone, is to use. That is what was in use before
    where the run goes back, else the one that was named where it is deployed, else what was found of the seed.
options:
  _input:
    description: What is deployed, as M(petal.hpc.local_volume_info) returns it, with C(volumes) and C(untrusted).
    type: dict
    required: true
  plan:
    description: What the run is about, with C(cluster), C(fingerprint) and C(snapshot), which may be none.
    type: dict
    required: true
  links:
    description: What is in use, with C(current), C(previous) and C(scontrol), each of which may be empty.
    type: dict
    required: true
  asked:
    description:
      - What was asked for, with C(snapshot_id), C(rollback), C(versions) (the directory of all versions) and
        C(signatures) (that came later, by snapshot).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be used
  ansible.builtin.debug:
    msg: "{{ deployed | petal.hpc.deployment_target(plan, links, {'rollback': true, 'versions': '/srv/petal/bio'}) }}"
  vars:
    deployed: {volumes: [], untrusted: {}}
    plan: {cluster: bio, fingerprint: 'sha256:…', snapshot: null}
    links: {current: '', previous: '', scontrol: ''}
"""

RETURN = r"""
_value:
  description:
    - The snapshot (C(snapshot_id), empty where there is none), its C(fingerprint), C(volume), C(directory) and later
      C(signatures); and C(current), C(previous), C(scontrol), C(volumes) and C(untrusted) as they came.
  type: dict
"""

import json
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def deployment_target(deployed: Any, plan: Any, links: Any, asked: Any) -> dict[str, Any]:
    """The filter; values of templates are converted to plain types at this door."""
    from ansible_collections.petal.hpc.plugins.module_utils._volume.target import Asked, There, target

    try:
        deployed, links, asked = json.loads(json.dumps([deployed, links, asked]))
        cluster, fingerprint = str(plan["cluster"]), str(plan["fingerprint"])
        found = str((plan.get("snapshot") or {}).get("snapshot_id", ""))
        there = There(deployed["volumes"], deployed["untrusted"], **links)
        return target(there, Asked(cluster, fingerprint, found, **asked))
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.deployment_target: it is not said what there is: {error}") from error
    except PetalError as error:
        raise AnsibleFilterError(f"petal.hpc.deployment_target: {error}") from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"deployment_target": deployment_target}
