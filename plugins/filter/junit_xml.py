# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: junit_xml
short_description: Results of module checks as JUnit XML
version_added: "0.1.0"
author: [petal.hpc contributors (@petal-hpc)]
description:
  - Returns an XML document that CI systems read, with one test case for each result.
options:
  _input:
    description: The RV(petal.hpc.module_check#module:results) or RV(petal.hpc.slurm_check#module:results).
    type: list
    elements: dict
    required: true
  suite:
    description: The name of the whole.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Keep the results
  ansible.builtin.copy:
    content: "{{ verified.results | petal.hpc.junit_xml('quickstart') }}"
    dest: verified.xml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The document.
  type: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def junit_xml(results: Any, suite: str) -> str:
    """Write results down (see DOCUMENTATION); anything but results is an error."""
    from ansible_collections.petal.hpc.plugins.module_utils._check import junit

    try:
        return junit.junit_xml(results, str(suite))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise AnsibleFilterError(
            f"petal.hpc.junit_xml takes the results of module_check or slurm_check: {error!r}"
        ) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"junit_xml": junit_xml}
