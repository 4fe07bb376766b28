#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pcluster_cluster
short_description: Create, update and delete clusters of AWS ParallelCluster
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Gives a cluster the configuration that is asked for, through the Python library of AWS ParallelCluster.
  - A cluster that has this configuration is left alone. It is compared with the one that the cluster was made or
    updated with last, key by key, so that comments and the order of keys do not matter.
  - When ParallelCluster refuses, all its reasons are in the message, with the path of each. When AWS fails, the message
    has the first resource that failed and why, also out of nested stacks.
  - The library brings many pinned packages, so it stands in a virtual environment of its own, whose Python runs this
    module (C(ansible_python_interpreter) as a variable of the task). The entry point C(library) of the role
    P(petal.hpc.pcluster_config#role) makes one.
requirements:
  - aws-parallelcluster >= 3.13, of the release that made the cluster where it is updated
  - Node.js in the PATH, to create and to update
extends_documentation_fragment:
  - petal.hpc.aws
attributes:
  check_mode:
    description: Can run in check mode, where ParallelCluster validates the request but nothing is made.
    support: full
  diff_mode:
    description: Shows the difference of the configurations.
    support: full
options:
  name:
    description: Name of the cluster, which is that of its stack.
    type: str
    required: true
  state:
    description:
      - V(present) creates the cluster, or updates it.
      - V(absent) deletes it. Volumes whose C(DeletionPolicy) is C(Retain) stay.
    type: str
    choices: [present, absent]
    default: present
  configuration:
    description:
      - What ParallelCluster reads, as a mapping or as the path of a YAML file. Needed with O(state=present).
      - The filter P(petal.hpc.pcluster_config#filter) makes one.
    type: raw
  dry_run:
    description: Only let ParallelCluster validate the request, as in check mode.
    type: bool
    default: false
  wait:
    description: Wait until AWS is done. Without it M(petal.hpc.pcluster_cluster_info) tells how far it is.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait.
    type: int
    default: 5400
  rollback_on_failure:
    description: Remove what was made of a cluster when its creation fails. Without it, logs stay on the head node.
    type: bool
    default: true
  suppress_validators:
    description: Validators of ParallelCluster that are not to run, each as C(type:KeyPairValidator), or C(ALL).
    type: list
    elements: str
    default: []
  validation_failure_level:
    description: The lowest level of a validator's message that stops the request.
    type: str
    choices: [INFO, WARNING, ERROR]
    default: ERROR
"""

EXAMPLES = r"""
- name: Provide the library
  ansible.builtin.include_role:
    name: petal.hpc.pcluster_config
    tasks_from: library

- name: Create the cluster, or update it
  petal.hpc.pcluster_cluster:
    name: bio-cluster
    region: us-east-1
    configuration: ~/.local/state/petal/clusters/bio-cluster.yaml
  vars:
    ansible_python_interpreter: "{{ pcluster_config_python }}"

- name: Only ask whether ParallelCluster would take it
  petal.hpc.pcluster_cluster:
    name: bio-cluster
    region: us-east-1
    configuration: "{{ asked.seed | petal.hpc.pcluster_config(found.snapshot, site) }}"
    dry_run: true
  vars:
    ansible_python_interpreter: "{{ pcluster_config_python }}"

- name: Delete the cluster
  petal.hpc.pcluster_cluster:
    name: bio-cluster
    region: us-east-1
    state: absent
  vars:
    ansible_python_interpreter: "{{ pcluster_config_python }}"
"""

RETURN = r"""
cluster:
  description:
    - The cluster as M(petal.hpc.pcluster_cluster_info) describes it.
    - Null where there is none, and where one would be made.
  returned: success
  type: dict
messages:
  description: What validators of ParallelCluster said, each with C(level), C(type) and C(message).
  returned: success
  type: list
  elements: dict
changes:
  description: What an update changes, each with C(parameter), C(current) and C(requested).
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.common.warnings import warn

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._pcluster.api import Cluster, How, Library, configuration_of


def main() -> None:
    module = AnsibleAWSModule(
        check_boto3=False,
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "configuration": {"type": "raw"},
            "dry_run": {"type": "bool", "default": False},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 5400},
            "rollback_on_failure": {"type": "bool", "default": True},
            "suppress_validators": {"type": "list", "elements": "str", "default": []},
            "validation_failure_level": {"type": "str", "choices": ["INFO", "WARNING", "ERROR"], "default": "ERROR"},
        },
        required_if=[("state", "present", ["configuration"])],
        supports_check_mode=True,
    )
    p = module.params
    library = Library(module)
    dry, rollback = module.check_mode or p["dry_run"], p["rollback_on_failure"]
    suppress, level = tuple(p["suppress_validators"]), p["validation_failure_level"]
    how = How(dry, p["wait"], p["wait_timeout"], rollback, suppress, level)
    cluster = Cluster(library, p["name"])
    try:
        if p["state"] == "absent":
            result = cluster.absent(how)
        else:
            result = cluster.present(configuration_of(library, p["configuration"]), how)
    except PetalError as error:
        module.fail_json(msg=str(error))
    for message in result["messages"]:
        if message["level"] == "WARNING":
            warn(f"{message['type']}: {message['message']}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
