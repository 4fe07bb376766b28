#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spack_buildcache_keys
short_description: Trust the keys that are named, and no other
version_added: "0.1.0"
description:
  - Whoever's key is in the keyring of a Spack can sign what that Spack installs. This module makes the keyring hold the
    keys that are named by fingerprint, and removes others.
  - A key comes from a file, or from what a cache publishes. Either way it is imported only if its fingerprint is
    the one that was asked for, and nothing else comes with it.
author:
  - petal.hpc contributors (@petal-hpc)
extends_documentation_fragment:
  - petal.hpc.buildcache
attributes:
  check_mode:
    description: Says what would change; key files are checked, keys are not made.
    support: full
  diff_mode:
    description: Shows the fingerprints before and after.
    support: full
options:
  keys:
    description: The keys to trust.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Whose key it is, for messages.
        type: str
        required: true
      fingerprint:
        description: Its fingerprint, 40 hex digits; spaces do not matter. Key ids are refused, they can be forged.
        type: str
        required: true
      file:
        description: Where its public part is on this host. Without it O(caches) are asked.
        type: path
  caches:
    description: Caches that may publish keys, in the order in which they are asked.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of its mirror.
        type: str
        required: true
      url:
        description: A directory, C(s3://BUCKET/PREFIX), or C(https://…).
        type: str
        required: true
      endpoint_url:
        description: Endpoint of an S3 store that is not Amazon's.
        type: str
        default: ""
      region:
        description: Region of the bucket.
        type: str
        default: ""
  spack:
    description: The Spack whose boto3 reaches caches in S3. Not needed for others.
    type: path
  signing_key:
    description: The key that signs what this host pushes. It is trusted too.
    type: dict
    suboptions:
      file:
        description: Where its secret part is on this host, without a passphrase, readable by its owner only.
        type: path
      content:
        description:
          - Its secret part itself, without a passphrase, in place of O(signing_key.file). It is kept in memory alone
            (C(/run) or C(/dev/shm)), for the owner of the keyring, until O(forget).
          - On another host this needs pipelining (C(ansible_pipelining)), or Ansible would write it to a file there; it
            is refused without.
        type: str
        version_added: "0.2.0"
      fingerprint:
        description: Its fingerprint. Without it that of the file's only key.
        type: str
      create:
        description: Make one where there is no O(signing_key.file); its public part goes to C(FILE.pub).
        type: bool
        default: false
      user:
        description: User id of a key that is made.
        type: str
        default: petal.hpc build cache
  forget:
    description:
      - Do nothing but take away the secret part of a key that came as O(signing_key.content). What it has signed is
        trusted as before.
      - It stays as long as another O(holder) that was given it has not forgotten it.
    type: bool
    default: false
    version_added: "0.2.0"
  holder:
    description:
      - Who needs a key that comes as O(signing_key.content), by a name that whoever uses the same keyring at the same
        time does not have. One of whom nothing is heard for a week does not count any more.
    type: str
    default: ""
    version_added: "0.2.0"
  exclusive:
    description:
      - Remove keys that nobody named. A secret key goes only if it came from a file, so that nothing is lost with it;
        another one is an error.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Trust the laboratory's key
  petal.hpc.spack_buildcache_keys:
    gnupghome: /var/cache/petal/spack/gpg
    keys:
      - name: laboratory
        fingerprint: 0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567
        file: /etc/petal/keys/laboratory.pub

- name: Have the key that signs as long as it is needed
  petal.hpc.spack_buildcache_keys:
    gnupghome: /var/cache/petal/spack/gpg
    signing_key:
      content: "{{ lookup('amazon.aws.ssm_parameter', '/petal/buildcache-key') }}"
  vars:
    ansible_pipelining: true

- name: Forget it
  petal.hpc.spack_buildcache_keys:
    gnupghome: /var/cache/petal/spack/gpg
    forget: true
"""

RETURN = r"""
keys:
  description: The keys that were named, as C(name), C(fingerprint) and whether they were C(imported) now.
  returned: without O(forget), as all that follows
  type: list
  elements: dict
trusted:
  description: Every fingerprint whose signatures count now, the signing key's included.
  returned: success
  type: list
  elements: str
removed:
  description: Fingerprints of keys that nobody named.
  returned: success
  type: list
  elements: str
signing_key:
  description:
    - The signing key as C(fingerprint), C(file), C(public_file) and whether it was C(created) now. The fingerprint is
      empty where there is none, as in check mode before one is made.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.keyring import KEYRING, ensure_keys
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.stores import CACHE
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

KEY = {
    "name": {"type": "str", "required": True},
    "fingerprint": {"type": "str", "required": True},
    "file": {"type": "path"},
}
SIGNING_KEY = {
    "file": {"type": "path"},
    "content": {"type": "str", "no_log": True},
    "fingerprint": {"type": "str"},
    "create": {"type": "bool", "default": False},
    "user": {"type": "str", "default": "petal.hpc build cache"},
}


def main() -> None:
    """Arguments in, the state of the keyring out."""
    module = AnsibleModule(
        argument_spec={
            **KEYRING,
            "keys": {"type": "list", "elements": "dict", "default": [], "no_log": False, "options": KEY},
            "caches": {"type": "list", "elements": "dict", "default": [], "options": CACHE},
            "spack": {"type": "path"},
            "signing_key": {"type": "dict", "no_log": False, "options": SIGNING_KEY},
            "forget": {"type": "bool", "default": False},
            "holder": {"type": "str", "default": ""},
            "exclusive": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**ensure_keys(module))
    except PetalError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
