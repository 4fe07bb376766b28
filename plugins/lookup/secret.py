# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: A secret, from where it is kept
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Reads a secret when it is needed, so that a variable names it and does not hold it.
  - Those of AWS are read with the controller's own credentials, by P(amazon.aws.ssm_parameter#lookup) and
    P(amazon.aws.secretsmanager_secret#lookup).
options:
  _terms:
    description:
      - References. V(file:/PATH) (or C(~)) and V(env:NAME) are those of the controller, V(ssm:NAME) is a parameter of
        AWS Systems Manager's, decrypted, and V(secretsmanager:NAME) a secret of AWS Secrets Manager's. The last two may
        be ARNs.
    type: list
    elements: str
    required: true
  what:
    description: What the reference is to be called in messages.
    type: str
    default: the reference
  region:
    description: Region of AWS, where an ARN does not say it. Without one, that of the controller's configuration.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Have the key that signs as long as it is needed
  petal.hpc.spack_buildcache_keys:
    gnupghome: /var/cache/petal/spack/gpg
    signing_key:
      content: "{{ lookup('petal.hpc.secret', 'ssm:/petal/buildcache-key', region='eu-central-1') }}"
"""

RETURN = r"""
_raw:
  description: The secrets.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._core.references import parse_reference
from ansible_collections.petal.hpc.plugins.plugin_utils.secret import Looks, secret


class LookupModule(LookupBase):
    """References in, secrets out."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **options: Any) -> list[str]:
        self.set_options(var_options=variables, direct=options)

        def look(plugin: str) -> Looks:
            return lookup_loader.get(plugin, loader=self._loader, templar=self._templar)  # type: ignore[no-any-return]

        what, region = self.get_option("what"), self.get_option("region")
        try:
            return [secret(parse_reference(str(term), what), what, region, look, variables or {}) for term in terms]
        except (PetalError, AnsibleError) as error:
            raise AnsibleLookupError(str(error)) from None
