#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pcluster_cluster_info
short_description: Ask about clusters of AWS ParallelCluster
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Lists the clusters of an account in a Region, or describes one, with how far AWS is with it and why it failed.
  - Runs with the Python of ParallelCluster's own virtual environment, as M(petal.hpc.pcluster_cluster) does.
requirements:
  - aws-parallelcluster >= 3.13
extends_documentation_fragment:
  - petal.hpc.info
  - petal.hpc.aws
options:
  name:
    description: Name of a cluster. Without it all are listed.
    type: str
  events:
    description: Return the events of the last creation, update or deletion, too.
    type: bool
    default: false
  instances:
    description: Return the instances of the cluster, too.
    type: bool
    default: false
  wait:
    description:
      - With O(name), ask until AWS is not at work on it, and say how far it is where it begins, at each tenth of its
        resources and every ten minutes, with any callback.
    type: bool
    default: false
    version_added: "0.1.0"
  wait_timeout:
    description: Seconds to wait. A cluster on which AWS is still at work then is a failure.
    type: int
    default: 3600
    version_added: "0.1.0"
  poll_interval:
    description: Seconds between two looks.
    type: int
    default: 15
    version_added: "0.1.0"
"""

EXAMPLES = r"""
- name: List the clusters
  petal.hpc.pcluster_cluster_info:
    region: us-east-1
  vars:
    ansible_python_interpreter: "{{ pcluster_config_python }}"

- name: Wait for a cluster, with progress
  petal.hpc.pcluster_cluster_info:
    region: us-east-1
    name: bio-cluster
    wait: true
  vars:
    ansible_python_interpreter: "{{ pcluster_config_python }}"
  register: asked
"""

RETURN = r"""
clusters:
  description: All clusters, each with C(name), C(status), C(stack_status), C(region), C(version). Empty with O(name).
  returned: success
  type: list
  elements: dict
cluster:
  description: The cluster; null where there is none.
  returned: with O(name)
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    status:
      description: State of the cluster, as ParallelCluster sees it.
      type: str
      sample: CREATE_COMPLETE
    stack_status:
      description: State of its stack.
      type: str
    stack_id:
      description: Id of its stack.
      type: str
    region:
      description: Its Region.
      type: str
    version:
      description: Release of ParallelCluster that made it, and has to update it.
      type: str
    created:
      description: When it was made, ISO 8601.
      type: str
    updated:
      description: When it was updated last, ISO 8601.
      type: str
    compute_fleet:
      description: State of its compute fleet, such as V(RUNNING), V(STOPPED) or V(PROTECTED).
      type: str
    head_node:
      description: C(instance_id), C(instance_type), C(state), C(public_ip) and C(private_ip); null where there is none.
      type: dict
    login_nodes:
      description: Its pools of login nodes, as ParallelCluster describes them.
      type: list
      elements: dict
    tags:
      description: Its tags.
      type: dict
    fingerprint:
      description: Fingerprint of its software, from the tag V(petal:software).
      type: str
    snapshot_id:
      description: Snapshot of its software, from the tag V(petal:snapshot).
      type: str
    failures:
      description: Why its creation failed, in ParallelCluster's words.
      type: list
      elements: str
ended:
  description: Whether AWS is not at work on it, which is so where there is none, too.
  returned: with O(name)
  type: bool
usable:
  description: Whether it is there and works. One whose last update was undone is.
  returned: with O(name)
  type: bool
cause:
  description: The first thing that failed in the last creation, update or deletion; empty where nothing did.
  returned: with O(name)
  type: str
  sample: "HeadNodeWaitCondition (AWS::CloudFormation::WaitCondition) CREATE_FAILED: WaitCondition timed out."
progress:
  description:
    - How many resources are C(done), of how many (C(total)), and which is under way (C(item)); null without any.
    - The total of an update grows, since AWS does not tell beforehand which resources it touches.
  returned: with O(name)
  type: dict
events:
  description:
    - With O(events), oldest first, each with C(time), C(resource), C(resource_type), C(status), C(reason),
      C(physical_id) and C(stack_id).
  returned: with O(name)
  type: list
  elements: dict
attempts:
  description: How often it was asked.
  returned: always
  type: int
code:
  description: The status of ParallelCluster's answer as in HTTP, V(429) where AWS was asked too often.
  returned: failure
  type: int
instances:
  description: With O(instances), as ParallelCluster describes them.
  returned: with O(name)
  type: list
  elements: dict
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.api import Cluster, Library, instances, listed


def main() -> None:
    module = AnsibleAWSModule(
        check_boto3=False,
        argument_spec={
            "name": {"type": "str"},
            "events": {"type": "bool", "default": False},
            "instances": {"type": "bool", "default": False},
            # The action waits.
            "wait": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 3600},
            "poll_interval": {"type": "int", "default": 15},
        },
        supports_check_mode=True,
    )
    name = module.params["name"]
    library = Library(module)
    try:
        if name is None:
            module.exit_json(changed=False, clusters=listed(library))
        found = Cluster(library, name).info(module.params["events"])
        nodes = instances(library, name) if module.params["instances"] and found["cluster"] else []
    except PetalError as error:
        module.fail_json(msg=str(error), code=getattr(error, "code", None))
    module.exit_json(changed=False, clusters=[], instances=nodes, **found)


if __name__ == "__main__":
    main()
