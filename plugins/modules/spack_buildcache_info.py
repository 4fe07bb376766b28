#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spack_buildcache_info
short_description: Look into Spack's build caches, and ask them for a lock
version_added: "0.1.0"
description:
  - Counts what build caches hold, and says for a C(spack.lock) what they have, what they lack, and what of theirs must
    not be used, each with the reason.
  - A package is a hit where its manifest bears the signature of a trusted key, its archive has the size that was
    signed, and its spec is that very package. Spack itself refuses most of what fails here without a word and builds
    from source; this module says it.
  - Reads the layout of Spack 1.0 and later.
author:
  - petal.hpc contributors (@petal-hpc)
extends_documentation_fragment:
  - petal.hpc.buildcache
  - petal.hpc.buildcache.trusted
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
options:
  caches:
    description: The caches, in the order in which they are asked.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of its mirror.
        type: str
        required: true
      url:
        description: A directory, C(s3://BUCKET/PREFIX), or C(https://…). What is behind https can be read, not counted.
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
  lock:
    description: A C(spack.lock). Without it the caches are only counted.
    type: path
  hashes:
    description: Look only at these of the lock's packages.
    type: list
    elements: str
  packages:
    description:
      - Return what the caches say they have, as RV(packages). Signatures are not looked at for that.
      - Caches from before Spack 1.0 can be listed too, but not used.
    type: bool
    default: false
    version_added: "0.2.0"
  text:
    description:
      - For O(packages), only those that have this in their names; with C(*) or C(?), whose whole name is like it.
    type: str
    default: ""
    version_added: "0.2.0"
  seed:
    description:
      - Name of a seed whose history is returned, as O(petal.hpc.spack_buildcache#module:state=recorded) notes it.
    type: str
    version_added: "0.2.0"
  verify_archives:
    description: Read every archive and compare its SHA-256 with the one that was signed, not only its size.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Ask the site's cache for a lock
  petal.hpc.spack_buildcache_info:
    gnupghome: /var/cache/petal/spack/gpg
    trusted: ["0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"]
    caches:
      - {name: site, url: /srv/spack-cache}
    lock: /var/cache/petal/spack/envs/bio/spack.lock
"""

RETURN = r"""
caches:
  description: The caches. Of one that cannot be listed only C(name), C(url), C(listed) and C(problem) are known.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    url:
      description: Where it is.
      type: str
    listed:
      description: Whether it could be listed.
      type: bool
    problem:
      description: Why it cannot be used, as when it is not there; empty where it can.
      type: str
    packages:
      description: How many packages it has.
      type: int
    objects:
      description: How many files it has.
      type: int
    bytes:
      description: Their size.
      type: int
    oldest:
      description: When the oldest package was pushed, ISO 8601 in UTC; null where there is none.
      type: str
    newest:
      description: When the newest was.
      type: str
    oldest_days:
      description: Age of the oldest in days.
      type: float
    keys:
      description: Fingerprints of the keys that it publishes; they are not trusted for that.
      type: list
      elements: str
    seeds:
      description: Names of the seeds whose packages C(clear) keeps.
      type: list
      elements: str
packages:
  description: What the caches say they have, by name, the newest version first, at most 10000.
  returned: with O(packages)
  type: list
  elements: dict
  version_added: "0.2.0"
  contains:
    cache:
      description: Name of the cache.
      type: str
    name:
      description: Name of the package.
      type: str
    version:
      description: Its version.
      type: str
    hash:
      description: Spack's hash of it, 32 characters.
      type: str
    os:
      description: The operating system that it is for; empty where it is not known, as in a cache without an index.
      type: str
    target:
      description: The microarchitecture that it is for.
      type: str
    compiler:
      description: Who compiled it, as C(NAME@VERSION); empty for what is not compiled.
      type: str
    pushed:
      description: When it was pushed, ISO 8601 in UTC; null in a cache that cannot be listed.
      type: str
    size:
      description: What its archive weighs, in bytes; null where the listing does not say.
      type: int
history:
  description:
    - What the caches had of the seed, before each of its builds and whenever that was noted, the oldest first; the
      newest 20 lines of each cache that can be listed. Nothing of it is signed.
  returned: with O(seed)
  type: list
  elements: dict
  version_added: "0.2.0"
  contains:
    when:
      description: When, ISO 8601 in UTC.
      type: str
    by:
      description: C(build) or C(status).
      type: str
    hits:
      description: How many packages of its lock the caches had.
      type: int
    misses:
      description: How many they had not.
      type: int
    refused:
      description: How many offers nobody could use.
      type: int
    size:
      description: What the archives of the hits weighed, in bytes.
      type: int
    missing:
      description: What they had not, as C(NAME@VERSION), at most 1000.
      type: list
      elements: str
    fingerprint:
      description: Fingerprint of the seed then; empty where it was not known.
      type: str
    cache:
      description: The cache that has the line.
      type: str
often_missing:
  description: What was missing in more than one of these lines, as C(name) and C(times), the most frequent first.
  returned: with O(seed)
  type: list
  elements: dict
  version_added: "0.2.0"
left_out:
  description: How many there are beyond those that are returned.
  returned: with O(packages)
  type: int
  version_added: "0.2.0"
hits:
  description: What the caches have of the lock, as C(name), C(version), C(hash), C(cache) and C(size) of the archive.
  returned: with O(lock)
  type: list
  elements: dict
misses:
  description: What has to be built, as C(name), C(version), C(hash) and C(os). Externals are neither hits nor misses.
  returned: with O(lock)
  type: list
  elements: dict
refused:
  description: What a cache has and nobody may use, as C(name), C(version), C(hash), C(cache), C(reason)
    and C(spack_refuses); where that is false, Spack would install it, and must not be given the cache.
  returned: with O(lock)
  type: list
  elements: dict
messages:
  description: One line for each of RV(refused); they are warnings too.
  returned: with O(lock)
  type: list
  elements: str
hit_count:
  description: Number of RV(hits).
  returned: with O(lock)
  type: int
miss_count:
  description: Number of RV(misses).
  returned: with O(lock)
  type: int
refused_count:
  description: Number of RV(refused).
  returned: with O(lock)
  type: int
hit_bytes:
  description: What the archives of the hits weigh.
  returned: with O(lock)
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.inspector import inspect
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.keyring import KEYRING, TRUSTED
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.api.stores import CACHE
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def main() -> None:
    """Arguments in, findings out."""
    module = AnsibleModule(
        argument_spec={
            **KEYRING,
            **TRUSTED,
            "caches": {"type": "list", "elements": "dict", "required": True, "options": CACHE},
            "spack": {"type": "path"},
            "lock": {"type": "path"},
            "hashes": {"type": "list", "elements": "str"},
            "packages": {"type": "bool", "default": False},
            "text": {"type": "str", "default": ""},
            "seed": {"type": "str"},
            "verify_archives": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**inspect(module))
    except PetalError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
