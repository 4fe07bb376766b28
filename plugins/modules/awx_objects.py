#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: awx_objects
short_description: Make the objects of AWX that a configuration has
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Makes organizations, credential types, credentials, execution environments, notifications, projects, inventories and
    their sources, job templates with surveys, workflows with their nodes, and schedules, by the modules of C(awx.awx).
  - Everything is looked at before anything is made. What AWX would refuse, or take and do something else with, and what
    an object needs and AWX does not have, is one error with a sentence each.
  - What the configuration does not name stays as it is in AWX. Its workflows have all of their nodes; others go.
  - An action on the controller, which needs the collection C(awx.awx).
attributes:
  check_mode:
    description: Can run in check mode and says what would be made, also where AWX has nothing yet.
    support: full
  diff_mode:
    description: Says which objects are changed, and not what in them.
    support: none
options:
  configuration:
    description:
      - Lists of objects in the variable names of C(infra.aap_configuration), V(aap_organizations),
        V(controller_templates) and so on. The keys of an object are options of C(awx.awx)'s module for it.
      - The nodes of a workflow are its V(simplified_workflow_nodes), with the options of
        C(awx.awx.workflow_job_template_node). One with V(state=absent) is none.
    type: dict
    required: true
  connection:
    description:
      - Options of C(awx.awx)'s modules, V(controller_host), V(controller_username), V(controller_password),
        V(controller_oauthtoken), V(validate_certs) and V(request_timeout).
      - What is not here is taken from the environment, as C(awx.awx) does it, for example from E(CONTROLLER_HOST) and
        E(CONTROLLER_OAUTH_TOKEN).
    type: dict
    default: {}
  collection:
    description: The collection with the modules, V(awx.awx) or one that has the same, such as V(ansible.controller).
    type: str
    default: awx.awx
"""

EXAMPLES = r"""
- name: Make a workflow of two jobs
  petal.hpc.awx_objects:
    configuration:
      controller_workflows:
        - name: Build and deploy
          organization: Default
          simplified_workflow_nodes:
            - identifier: build
              unified_job_template: petal.hpc build_volume
              success_nodes: [deploy]
            - identifier: deploy
              unified_job_template: petal.hpc deploy_cluster
"""

RETURN = r"""
objects:
  description: How many objects were looked at.
  returned: success
  type: int
  sample: 43
done:
  description: What was done, or would be in check mode, with one entry for each object that was not as it should be.
  returned: success
  type: list
  elements: str
  sample: ["make organization petal.hpc", "change workflow petal.hpc nightly"]
"""
