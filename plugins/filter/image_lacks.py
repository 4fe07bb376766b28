# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: image_lacks
short_description: What of the packages that an image is to have would not be installed for it
version_added: "0.2.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Looks at the packages that Spack has chosen for the part of a hybrid seed that lives in an image
    (C(software.in_ami)), before one of them is installed. A volume is built against what that part has, by the names
    that the seed gives.
  - What is the operating system's own, or at a place of the site's, is not in it. Nor does it have a package such as
    mpi, but one of those that provide it.
options:
  _input:
    description: The packages, as M(petal.hpc.spack_environment) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: See that an image gets what it is to have
  ansible.builtin.assert:
    that: spack_concretized.packages | petal.hpc.image_lacks | length == 0
"""

RETURN = r"""
_value:
  description: A clause for each of them; empty where all of them are installed.
  type: list
  elements: str
  sample: ["gcc would be gcc@12.2.0 of /usr, which no image gets: ask for another version, or leave it out"]
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._spack.externals import not_of_image


def image_lacks(packages: Any) -> list[str]:
    """See DOCUMENTATION; what is no list of packages is an error."""
    try:
        return not_of_image(packages)
    except (PetalError, AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"petal.hpc.image_lacks takes packages of an environment: {error}") from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"image_lacks": image_lacks}
