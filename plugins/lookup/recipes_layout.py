# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: recipes_layout
short_description: What lies in a directory of recipes beside a seed
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Reads a directory of Spack recipes on the controller, as a plan for M(petal.hpc.volume_layout). No link is followed.
  - What holds something else than when the seed was read is refused.
options:
  _terms:
    description:
      - Repositories as C(recipes) of M(petal.hpc.seed_info), with C(directory) and C(digest).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Copy the recipes that lie beside the seed
  petal.hpc.volume_layout:
    path: /srv/recipes
    plan: "{{ lookup('petal.hpc.recipes_layout', seed.recipes[0]) }}"
"""

RETURN = r"""
_raw:
  description: By path below the directory C(content), the text of the file.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.plugin_utils.site_files import layout


class LookupModule(LookupBase):
    """Repositories in, what they hold out."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **options: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=options)
        try:
            return [layout(str(term["directory"]), str(term["digest"])) for term in terms]
        except (KeyError, TypeError) as error:
            raise AnsibleLookupError(f"petal.hpc.recipes_layout takes recipes of seed_info: {error}") from error
        except PetalError as error:
            raise AnsibleLookupError(str(error)) from error
