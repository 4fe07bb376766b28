#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spack_buildcache
short_description: Make, fill and clear a build cache of Spack's
version_added: "0.1.0"
description:
  - Makes a build cache in a directory or an S3 bucket, pushes signed packages to it, and clears it by age.
  - What a seed was pushed with is noted in the cache, below C(petal/seeds). Clearing keeps whatever such a note, or a
    package that stays, still needs.
  - Credentials for S3 are those of this host's environment (E(AWS_ACCESS_KEY_ID) and its like, a profile) or of its
    instance profile; they are in no file, log or argument of this module.
author:
  - petal.hpc contributors (@petal-hpc)
extends_documentation_fragment:
  - petal.hpc.buildcache
  - petal.hpc.buildcache.trusted
attributes:
  check_mode:
    description: Says what would be made, pushed or removed.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
options:
  state:
    description:
      - V(present) makes the directory or bucket and publishes O(signing_key) in it.
      - V(pushed) pushes what of O(lock) is installed and not in the cache, and replaces what is in it unsigned, signed
        by somebody else, or broken. The index is updated.
      - V(pruned) removes what is older than O(max_age).
      - V(recorded) notes with the date what caches had of O(seed), as one more line of its history, which
        P(petal.hpc.spack_buildcache_info#module) returns. The newest 200 of a seed are kept, below C(petal/history).
    type: str
    choices: [present, pushed, pruned, recorded]
    default: present
  spack:
    description: The Spack whose packages are pushed, and in whose configuration the cache is a mirror named O(name).
    type: path
    required: true
  name:
    description: Name of its mirror.
    type: str
    required: true
  url:
    description: A directory, or C(s3://BUCKET/PREFIX).
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
  signing_key:
    description: Fingerprint of the key that signs; its secret part is in O(gnupghome). Required for V(state=pushed).
    type: str
  lock:
    description: The C(spack.lock) whose packages are pushed.
    type: path
  seed:
    description: Name of the seed that the lock is of. Its needs are noted in the cache, in place of the last note.
    type: str
  fingerprint:
    description: Fingerprint of that seed, noted too.
    type: str
  found:
    description: What P(petal.hpc.spack_buildcache_info#module) has returned for the seed's lock.
    type: dict
    version_added: "0.2.0"
  by:
    description: What for somebody looked, V(build) before one, V(status) to know.
    type: str
    choices: [build, status]
    default: status
    version_added: "0.2.0"
  own:
    description:
      - Directory of the host's own build cache, see O(petal.hpc.spack_environment#module:cache_dir).
      - What it has, signed by the signing key, is handed on as it is, and nothing is taken from where it is installed.
    type: path
    version_added: "0.2.0"
  exclude:
    description: Names of packages that are not pushed.
    type: list
    elements: str
    default: []
  replace:
    description: Hashes that are pushed again although they look right, because their archives turned out corrupted.
    type: list
    elements: str
    default: []
  max_age:
    description: Age of what is removed, as V(90d), V(12h) or V(2w).
    type: str
  keep_locks:
    description: Locks whose packages are kept, beside those of the seeds that the cache has notes of.
    type: list
    elements: path
    default: []
  unused_for:
    description:
      - Seeds that nobody has built for so long, V(90d), V(12h) or V(2w), are treated as those of O(forget). By default
        none is.
      - When a seed was built last is told by the lines of O(state=recorded), or by the note of its packages.
    type: str
    version_added: "0.2.0"
  forget:
    description: Names of seeds whose notes are removed, so that their packages age like any other.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Push what was built
  petal.hpc.spack_buildcache:
    state: pushed
    spack: /var/cache/petal/spack/bin/spack
    gnupghome: /var/cache/petal/spack/gpg
    name: site
    url: s3://lab-spack-cache/bio
    region: us-east-1
    signing_key: 0123456789ABCDEF0123456789ABCDEF01234567
    lock: /var/cache/petal/spack/envs/bio/spack.lock
    seed: bio

- name: Remove what nobody has needed for a quarter
  petal.hpc.spack_buildcache:
    state: pruned
    spack: /var/cache/petal/spack/bin/spack
    gnupghome: /var/cache/petal/spack/gpg
    name: site
    url: s3://lab-spack-cache/bio
    max_age: 90d
"""

RETURN = r"""
line:
  description: The line, as RV(petal.hpc.spack_buildcache_info#module:history) has it.
  returned: with V(state=recorded), not in check mode
  type: dict
cache:
  description: The cache, as C(name) and C(url).
  returned: success
  type: dict
actions:
  description: What was done to make it.
  returned: with V(state=present)
  type: list
  elements: str
pushed:
  description: What was pushed, as C(name), C(version) and C(hash).
  returned: with V(state=pushed)
  type: list
  elements: dict
kept_back:
  description:
    - What was not pushed because it may not be handed on, by its recipe, or as it is a compiler of a vendor's or comes
      with one.
  returned: with V(state=pushed)
  type: list
  elements: dict
already:
  description: How many packages of the lock were there before.
  returned: with V(state=pushed)
  type: int
replaced:
  description: How many of RV(pushed) took the place of one that nobody may use.
  returned: with V(state=pushed)
  type: int
bytes:
  description: By how much the cache grew.
  returned: with V(state=pushed)
  type: int
removed:
  description: What was removed, as C(NAME-VERSION-HASH).
  returned: with V(state=pruned)
  type: list
  elements: str
kept:
  description: How many packages stay.
  returned: with V(state=pruned)
  type: int
kept_for_seeds:
  description: How many of them are old and stay because a seed needs them.
  returned: with V(state=pruned)
  type: int
kept_for_packages:
  description: How many are old and stay because a package that stays needs them.
  returned: with V(state=pruned)
  type: int
seeds:
  description: Names of the seeds that were heeded.
  returned: with V(state=pruned)
  type: list
  elements: str
forgotten:
  description: Names of seeds whose notes were removed, and their history.
  returned: with V(state=pruned)
  type: list
  elements: str
freed_bytes:
  description: By how much the cache shrank. 0 in check mode.
  returned: with V(state=pruned)
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.cache import Buildcache
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.keyring import KEYRING, TRUSTED
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.stores import CACHE
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.history import KINDS
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

STATES = ["present", "pushed", "pruned", "recorded"]


def main() -> None:
    """Arguments in, what was done out."""
    module = AnsibleModule(
        argument_spec={
            **KEYRING,
            **TRUSTED,
            **CACHE,
            "state": {"type": "str", "choices": STATES, "default": "present"},
            "spack": {"type": "path", "required": True},
            "signing_key": {"type": "str", "no_log": False},
            "lock": {"type": "path"},
            "seed": {"type": "str"},
            "fingerprint": {"type": "str"},
            "found": {"type": "dict"},
            "by": {"type": "str", "choices": list(KINDS), "default": "status"},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "own": {"type": "path"},
            "replace": {"type": "list", "elements": "str", "default": []},
            "max_age": {"type": "str"},
            "keep_locks": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "unused_for": {"type": "str"},
            "forget": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[
            ("state", "pushed", ("lock", "signing_key")),
            ("state", "pruned", ("max_age",)),
            ("state", "recorded", ("seed", "found")),
        ],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**Buildcache(module).ensure())
    except PetalError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
