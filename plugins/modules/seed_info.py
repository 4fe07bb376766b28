#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: seed_info
short_description: Validate a seed and compute its fingerprint
version_added: "0.1.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Reads a seed, a YAML file on the controller or a text, checks all of it, fills in every default and computes the
    fingerprint under which its software volume is found again.
  - All problems of a seed are reported together, each with its place, its value, what was expected and, for a
    misspelt key, the nearest known one.
  - A seed is data. Nothing in it is evaluated as a template, nor is anything in the files that it names.
options:
  path:
    description:
      - The seed's file. A relative path counts from the directory in which the playbook was started, then from
        the directory of the playbook.
      - Or the seed's own text, all of its YAML. It has several lines, or stands in braces. What it names beside it is
        looked for in the directory in which the playbook was started.
      - In a variable that may be a text use P(petal.hpc.seed#lookup), which takes no text for a template.
    type: raw
    required: true
  host_os:
    description:
      - Operating system of the host that builds the volume, such as V(debian12). It is the default of
        C(cluster.os) for provider V(local).
      - The controller's own by default.
    type: str
  host_architecture:
    description:
      - Architecture of that host, V(x86_64) or V(aarch64).
      - The controller's own by default.
    type: str
  overrides:
    description:
      - What counts in place of the seed's own, so that one seed serves many clusters. A mapping with C(cluster_name),
        C(os), C(region), and C(name), the name of the build, by default the cluster's. Empty texts are nothing.
      - With C(part) V(ami) the seed is what C(petal.hpc.build_ami) makes of it, which of a hybrid seed is the
        part in the image.
      - What is wrong about one is reported with the seed's problems, as C(extra variable os).
    type: raw
    version_added: "0.1.0"
  snapshot_sources:
    description:
      - Where snapshots are looked for, in place of the seed's own C(snapshot_sources), as a list in its form.
    type: raw
  registry:
    description:
      - What a site has set for all its seeds. Each key that the seed's own C(registry) lacks is taken from here, as a
        mapping in its form.
    type: raw
    version_added: "0.1.0"
  mirror_dir:
    description:
      - A mirror directory that the playbook C(mirror) has filled, where it is on the controller. It may know releases
        of Spack's package repository that the collection does not know.
    type: str
    version_added: "0.1.0"
  resolved_refs:
    description:
      - Commits at which the branches named in C(software.spack) stand, as C(spack) and C(packages). Tags of releases
        and commits need none.
      - Those of C(software.spack.repos) by addresses and references, C(https://git.example.org/recipes.git@main), of
        tags too.
    type: dict
  inputs:
    description:
      - What a site decides of a volume beyond the seed, by the names of the variables of the roles that write on it,
        such as C(spack_packages_config) or C(lmod_method). What they lead to is in the fingerprint.
      - Without it the play's own variables of these names are taken, so that every playbook has the same fingerprint.
      - C(spack_repository_digests) are the digests of what C(spack_repositories) hold, by their names.
    type: dict
attributes:
  check_mode:
    description: Can run in check mode and return the same as without it.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
seealso:
  - module: petal.hpc.snapshot_info
"""

EXAMPLES = r"""
- name: Read the seed
  petal.hpc.seed_info:
    path: seeds/quickstart.yaml
  register: petal

- name: Show what it is known by
  ansible.builtin.debug:
    var: petal.fingerprint

- name: Read a seed for another host
  petal.hpc.seed_info:
    path: "{{ seed }}"
    host_os: rocky9
    host_architecture: aarch64

- name: Read a seed for another cluster in another Region
  petal.hpc.seed_info:
    path: "{{ seed }}"
    overrides: {cluster_name: research-1, region: eu-west-1}
"""

RETURN = r"""
name:
  description: Name of the build; that of the cluster that the seed describes, unless O(overrides) name another.
  returned: success
  type: str
  sample: bio-cluster
arguments:
  description:
    - What names this seed on a command line, with O(overrides), and with those extra variables of the run without which
      the volume would be another one, or elsewhere. Passwords in addresses are left out.
    - For a text it names a copy in the user's cache directory, which nobody else can read. The files of an AWX job go
      with it, and there it says that the text is to be given again.
  returned: success
  type: str
  sample: -e seed=bio.yaml -e cluster_name=research-1
seed_file:
  description: The seed's file as O(path) has it; empty where that is a text, which then is kept for RV(arguments).
  returned: success
  type: str
  sample: bio.yaml
seed:
  description: The seed with every default filled in. Spack specs are in canonical form.
  returned: success
  type: dict
fingerprint:
  description: Digest of everything that decides the bytes on the software volume.
  returned: success
  type: str
  sample: sha256:3819bc29dc5c46114270d8c3d5abff6c5f01115fc544b2149e1ab6de6983a290
older_fingerprints:
  description: Fingerprints of older versions under which the same bytes may lie.
  returned: success
  type: list
  elements: str
unresolved:
  description:
    - What has to be looked up before there is a fingerprint, branches that O(resolved_refs) does not name, and
      repositories of recipes of which there is no digest. No volume bears the fingerprint that is returned with any.
  returned: success
  type: list
  elements: str
moving:
  description:
    - What can stand for something else tomorrow, tags of images and branches, as the seed names it, by the name that
      O(resolved_refs) has for it.
  returned: success
  type: dict
  sample: {spack: develop}
pins:
  description: Tags of a snapshot that say what all of RV(moving) stands for; empty where O(resolved_refs) lacks some.
  returned: success
  type: dict
inputs:
  description: What the site decides of the volume, resolved; variables at their defaults are not in it.
  returned: success
  type: dict
  contains:
    lmod_method:
      description: How Lmod comes onto the volume.
      type: str
    lmod_source:
      description: Digest of an archive of Lmod that the site names.
      type: str
    recipes:
      description: Digests of the site's own repositories of Spack packages, by name.
      type: dict
    settings:
      description: The other variables that are not at their defaults.
      type: dict
    files:
      description: Digests of the files beside the seed that it names, by their paths.
      type: dict
spack_settings:
  description:
    - What the role spack is to be given of C(spack_config), C(spack_concretizer), C(spack_packages_config) and
      C(spack_modules_config), the site's own with C(software.spack.config) of the seed in front.
  returned: success
  type: dict
recipes:
  description: The site's own repositories of recipes, C(software.spack.repos) of the seed, in its order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: A name by what it holds, the commit or the digits of the digest.
      type: str
    source:
      description: The path, or the address and the reference, GIT@REF.
      type: str
    directory:
      description: Where a path is on the controller.
      type: str
    digest:
      description: What it holds there.
      type: str
    url:
      description: The address of a Git repository.
      type: str
    ref:
      description: Its reference.
      type: str
    moving:
      description: Whether somebody has to ask at which commit that stands.
      type: bool
    commit:
      description: The commit, once it is known.
      type: str
    key:
      description: The key of the seed.
      type: str
modulefiles:
  description: The site's own modulefiles, C(software.modules) of the seed, as they come onto the volume.
  returned: success
  type: dict
  contains:
    layout:
      description: The plan of M(petal.hpc.volume_layout) that writes them.
      type: dict
    modules:
      description: What the volume's manifest says of them.
      type: list
      elements: dict
hybrid:
  description:
    - Of a hybrid seed what is in the image, C(specs), C(mount_dir) of what build_ami puts there, C(ami) that the seed
      names, and where it names none C(plan), what the roles go by for that part. Empty for any other seed.
  returned: success
  type: dict
part:
  description: V(ami) where this is the part of a hybrid seed that is in the image; empty otherwise.
  returned: success
  type: str
fingerprint_input:
  description: What the fingerprint is the digest of.
  returned: success
  type: dict
host_mismatch:
  description: Why a seed of provider local cannot be built on the build host, in words; empty where it can.
  returned: success
  type: str
  sample: its operating system is debian12, not rocky9
host_decides:
  description: Whether the seed leaves its system open, so that the fingerprint has that of the build host.
  returned: success
  type: bool
compatible_os:
  description: The operating systems on which the software runs. Rebuilds of RHEL fit each other in one major release.
  returned: success
  type: list
  elements: str
  sample: [almalinux9, ol9, rhel9, rocky9]
packages_compared:
  description:
    - The release of Spack's package repository with which the names, versions and variants in the seed's specs were
      compared. What it does not have is among the warnings.
    - Null where the seed has no specs, or takes a release that neither the collection nor the mirror directory knows.
  returned: success
  type: str
  sample: v2026.06.0
build_timeout_s:
  description: How long a build may take, in seconds.
  returned: success
  type: int
  sample: 43200
software_volume:
  description: The volume to build.
  returned: success
  type: dict
  contains:
    name:
      description: Its name in the cluster.
      type: str
    mount_dir:
      description: Where it is mounted.
      type: str
    size_gb:
      description: Its size in GiB.
      type: int
    volume_type:
      description: Its EBS volume type.
      type: str
    iops:
      description: Its I/O operations per second; null where the type has no such setting.
      type: int
    throughput:
      description: Its throughput in MiB/s; null where the type has no such setting.
      type: int
    encrypted:
      description: Whether it is encrypted.
      type: bool
    kms_key_id:
      description: The key it is encrypted with; null for the default key.
      type: str
  sample:
    name: software
    mount_dir: /shared
    size_gb: 500
    volume_type: gp3
    iops: 3000
    throughput: 125
    encrypted: true
    kms_key_id: null
controller:
  description: Identity of the ansible-playbook process, by which others can tell whether it still runs.
  returned: success
  type: dict
  contains:
    host:
      description: Name of the controller.
      type: str
    boot_id:
      description: Boot of the controller's kernel.
      type: str
    pid_namespace:
      description: Namespace in which the process id counts.
      type: str
    pid:
      description: Process id.
      type: int
    start_time:
      description: When the process began, in clock ticks after the boot.
      type: int
plan:
  description:
    - What the roles of the collection go by, as far as the seed says it. C(snapshots_plan) begins with it.
  returned: success
  type: dict
problems:
  description: Everything that is wrong with the seed.
  returned: failure
  type: list
  elements: dict
  contains:
    path:
      description: Where, as in C(software.spack_packages[3]); empty for the file as a whole.
      type: str
    message:
      description: What is wrong.
      type: str
    value:
      description: What stands there, shortened.
      type: str
    expected:
      description: What would be right.
      type: str
    hint:
      description: What to do about it.
      type: str
    line:
      description: Line in the file, where known.
      type: int
    column:
      description: Column in that line, where known.
      type: int
    level:
      description: Always V(error).
      type: str
"""
