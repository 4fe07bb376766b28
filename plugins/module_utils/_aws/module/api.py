# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module that reaches AWS where it is asked to, and is one of Ansible's own where nobody can."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._aws import needs

try:
    from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
except ImportError:
    AnsibleAWSModule = None


def local_module(argument_spec: dict[str, Any], **options: Any) -> Any:
    """The module of a door that needs AWS for some of what it takes only: AnsibleAWSModule, where there is amazon.aws.

    Without it the module takes the same options, and ends with what is missing when they ask for AWS.

    :param options: of AnsibleModule.
    """
    if AnsibleAWSModule is not None:
        # Where there is no boto3, that is said when it is asked for.
        return AnsibleAWSModule(argument_spec=argument_spec, check_boto3=False, **options)
    module = AnsibleModule(argument_spec={**needs.OPTIONS, **argument_spec}, **options)
    why = needs.asked(module.params)
    if why:
        module.fail_json(msg=needs.lacking(why))
    return module
