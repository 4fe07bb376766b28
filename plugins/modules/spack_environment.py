#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spack_environment
short_description: Solve and install a Spack environment
version_added: "0.1.0"
description:
  - Lets Spack choose the packages for a list of specs, and installs them from binary caches where those have them and
    from source where they do not.
  - The installation runs detached on the host. It survives the end of this module, of the connection and of the
    controller; the next call takes it up again, and one call waits no longer than O(wait_s). Repeat the task until
    RV(environment.finished), or let O(until_finished) do that.
  - What was finished when an installation was killed is not built again.
  - The solver leaves out what the specs cannot come to need, which makes it several times faster. Where it finds no
    solution so, it solves again with everything.
  - What a cache has and what cannot be moved to the prefixes here, because they are longer than those that it was built
    with, is built from source, and a warning names it.
  - Of what only builds others Spack's C(compiler-wrapper) comes along, for who compiles on top of what is installed.
    Where no cache has it and its source is nowhere to be had, a warning says that it is missing.
  - Needs no more than a Spack that is there, O(name) and O(specs). The environment is one of that Spack's own then,
    which C(spack env list) shows. Run it as the user who owns that Spack.
  - Works with Spack 1.2, 1.1 and 1.0.
author:
  - petal.hpc contributors (@petal-hpc)
attributes:
  check_mode:
    description:
      - Says for each package whether it is there, would come from a cache, or would be built from source.
      - Solves the specs for that, which fills Spack's own caches and nothing else.
    support: full
  diff_mode:
    description: Shows the packages before and after.
    support: full
options:
  spack:
    description: The command C(spack) of a Spack that is there, such as V(/opt/spack/bin/spack).
    type: path
    required: true
  name:
    description: Name of the environment.
    type: str
    required: true
  work_dir:
    description:
      - Directory for the environment's files (C(envs/NAME)), as P(petal.hpc.spack#role) has one off its volume.
        It is made where it is missing, and its owner is the user as whom O(spack) runs.
      - Without it the environment is in Spack's own directory of environments (C(config:environments_root)), and one
        there that this module has not made is left as it is, with an error.
    type: path
  specs:
    description:
      - What is wanted, as Spack writes specs, beside O(build_from_source). Required but for O(state=status)
        and O(state=absent).
    type: list
    elements: str
  compiler:
    description:
      - The compiler that builds everything, as a spec such as V(gcc@13.3.0). Where it is none of the host's own, it is
        built first, and then builds the rest; those of O(specs) that it matches say how.
      - Without it Spack's configuration decides.
    type: str
  target:
    description: The microarchitecture to build for, such as V(x86_64_v3). Without it Spack's configuration decides.
    type: str
  stacks:
    description:
      - Stacks beside O(specs), each solved for itself with a compiler, an MPI and a target of its own, so that there
        can be several builds of one package. Needs Spack 1.2 or later.
      - What comes out the same is installed once. Which stacks ask for a package, RV(environment.packages) says.
    type: list
    elements: dict
    version_added: "0.2.0"
    suboptions:
      name:
        description: Its name. At most 30 lower-case letters, digits, C(_) and C(-), a letter first.
        type: str
        required: true
      packages:
        description: What is wanted, as O(specs).
        type: list
        elements: str
        default: []
      compiler:
        description: The compiler that builds it, as O(compiler), which is used without it.
        type: str
      mpi:
        description:
          - The MPI of all its packages, as a spec such as V(openmpi@5). It is installed and asked for, unless one of
            the packages is of that name. Without it Spack's configuration decides.
        type: str
      target:
        description: As O(target), which is used without it. It takes the place of what C(packages:all:require) says.
        type: str
  parallel:
    description: Whether several packages are built at a time. Otherwise one has all jobs, and the next waits for it.
    type: bool
    default: true
  write_modules:
    description:
      - Whether Spack writes the module of each package as it installs, where its settings enable some. V(false) is for
        those who have all of them written afterwards, as by C(spack module lmod refresh).
    type: bool
    default: true
    version_added: "0.2.0"
  cache_dir:
    description:
      - Directory off the volume of this host's own build cache (C(packages) in it), and of the stores in which packages
        are built for it.
      - Each package is pushed as it finishes, signed by the only secret key in the keyring of O(spack), also where the
        installation fails later or is killed. From there it is brought to its place, without what only built it.
      - Without it, and with a Spack before 1.2, packages are built in their place.
    type: path
    version_added: "0.2.0"
  padded_length:
    description:
      - Length of the prefixes in which packages are built for O(cache_dir), so that they can be moved to any that is
        not longer.
    type: int
    default: 128
    version_added: "0.2.0"
  cache_limit:
    description:
      - GiB that the packages in O(cache_dir) may take; V(0) for any number. At the end of an installation those go that
        were used longest ago, and never one that was used in the last two days, as by an installation that goes on.
    type: float
    default: 0
    version_added: "0.2.0"
  decided_by:
    description:
      - Directories that decide what the solver chooses. That of Spack's checkout first, then that of its packages, then
        those of a site's own recipes. With them the solver's choice is kept in O(cache_dir), and taken from there where
        everything that decides is the same. Spack and packages count by their commits, other recipes by what they hold,
        and with them Spack's settings and its Python, and the system, the C library and the processor of the host.
      - Nothing is kept of a checkout that somebody has changed, where packages that are there count, or a cache. The
        hundred that were used last are kept, and none where others can write.
    type: list
    elements: path
    default: []
    version_added: "0.2.0"
  record_dir:
    description:
      - Directory that gets the lock (C(spack.lock)) and the log (C(logs/spack-NAME.log)) of an installation that is
        finished, for everybody to read. They belong to root.
    type: path
    version_added: "0.2.0"
  look_for_sources:
    description:
      - Whether the sources, resources and patches of all that is to be built are looked for before the first of it is,
        in the mirrors and then where they come from. Those that are nowhere end the task, all in one message. Nothing
        is downloaded for it, and what was found is not looked for again.
      - Where nobody can tell, as of a server in trouble or of a Subversion repository, a warning says so.
    type: bool
    default: true
    version_added: "0.2.0"
  base:
    description:
      - File that M(petal.hpc.volume_base) has written on a volume that was made from a snapshot. Packages of that
        volume that the solver chose, but for those of O(build_from_source), are taken over where they are.
      - Where there is no such file, nothing is.
    type: path
    version_added: "0.2.0"
  farm:
    description:
      - Build on the nodes of a Slurm cluster, one package a job, in the order of C(spack env depfile) by GNU make.
        Needs O(cache_dir) in a directory that all nodes have at the same place, and a host that submits jobs.
      - Each node has a store of its own, takes what its package needs from O(cache_dir), and pushes to it what it has
        built; this host only brings everything to its place. Sources are fetched here, before the first job.
      - Before that one job asks a node whether it sees O(cache_dir), and whether it is of the same system.
    type: dict
    version_added: "0.2.0"
    suboptions:
      engine:
        description: What runs the jobs.
        type: str
        choices: [slurm]
        default: slurm
      options:
        description:
          - Options of C(salloc), one a word. They decide how many processors a package has, and it builds with as many
            jobs, or with O(concurrency).
        type: list
        elements: str
        default: [--exclusive]
      jobs:
        description: Packages at once; what has no node yet waits in Slurm's queue.
        type: int
        default: 16
      local_dir:
        description: Directory on a disk of each node's own, in which one is made for this installation.
        type: path
        default: /var/tmp
  hand_on:
    description:
      - Another build cache that gets each package too, as it finishes, from O(cache_dir) and signed as it is there,
        also where the installation fails later or is killed. No package waits for that.
      - What is there is not pushed again. What cannot be pushed is tried again, is no failure, and a warning says why.
        What a recipe or a vendor does not allow to hand on stays.
      - Its index is not updated; M(petal.hpc.spack_buildcache) does that. This module finds what is in it all the same.
      - Without O(cache_dir) it is refused; a Spack before 1.2 hands nothing on.
    type: dict
    version_added: "0.2.0"
    suboptions:
      mirror:
        description: Name of the cache in the configuration of O(spack).
        type: str
        required: true
      exclude:
        description: Names of packages that stay.
        type: list
        elements: str
        default: []
  build_from_source:
    description: Specs that are wanted too, and never taken from a cache.
    type: list
    elements: str
    default: []
  deprecated:
    description: Whether versions that Spack calls deprecated may be had where a spec asks for one; a warning names
      them.
    type: bool
    default: true
  concurrency:
    description:
      - Jobs at once, compilers of one package and packages beside each other taken together.
      - V(0) means as many as the host carries, from its processors and 2 GiB of memory for each.
    type: int
    default: 0
  timeout:
    description: Seconds after which the installation is ended; V(0) for none. It counts from each start.
    type: int
    default: 0
  wait_s:
    description: Seconds that one call waits for the installation.
    type: float
    default: 15
  until_finished:
    description:
      - With the states V(present) and V(finished), stay until the installation has ended, however many calls of
        O(wait_s) that takes. Whatever the callback is, the task says how far it is where it begins, at each tenth of
        the packages and every ten minutes.
      - In check mode and in an async task it is one call, as without it.
      - Where the callback P(petal.hpc.progress#callback) shows the phases of a playbook, and the task has an C(until),
        it is one call too, and the task is repeated, so that the callback shows each package.
    type: bool
    default: false
    version_added: "0.2.0"
  fail_fast:
    description: Whether the first package that fails ends the installation. Otherwise all that can be built is.
    type: bool
    default: true
  prune:
    description: Whether the solver leaves out what the specs cannot come to need.
    type: bool
    default: true
  state:
    description:
      - V(concretized) solves the specs and installs nothing.
      - V(started) starts the installation, if it does not run, and does not wait for it.
      - V(present) starts it too, and waits for its end, at most O(wait_s).
      - V(finished) waits for the end of an installation, at most O(wait_s), and starts none.
      - V(status) says how far it is, and neither starts nor changes nor waits for anything. Ask it where the
        installation was started, with its O(name) and O(work_dir).
      - Where the compiler has to be built before the rest can be solved, V(concretized) solves for the compiler, until
        that is there; RV(environment.name) and RV(environment.specs) say so.
      - V(absent) ends an installation that runs, and removes the environment. Its packages stay, as others may need
        them; C(spack gc) uninstalls what nothing needs.
    type: str
    choices: [absent, concretized, started, finished, present, status]
    default: present
"""

EXAMPLES = r"""
- name: Have these packages in a Spack that is there
  petal.hpc.spack_environment:
    spack: /opt/spack/bin/spack
    name: tools
    specs: [tree@2.1.0, "samtools@1.17 ^htslib+libcurl"]
    until_finished: true
  register: tools

- name: Take the environment away
  petal.hpc.spack_environment:
    spack: /opt/spack/bin/spack
    name: tools
    state: absent

- name: Install the software of a volume
  petal.hpc.spack_environment:
    spack: /var/cache/petal/spack/bin/spack
    work_dir: /var/cache/petal/spack
    name: bio-cluster
    specs: [gcc@13.3.0, openmpi@5, samtools]
    compiler: gcc@13.3.0
    timeout: 43200
    until_finished: true
  register: software

- name: Install two versions of one library, and one program with each of two MPI
  petal.hpc.spack_environment:
    spack: /var/cache/petal/spack/bin/spack
    work_dir: /var/cache/petal/spack
    name: bio-cluster
    specs: [zlib@1.2.13, zlib@1.3.1]
    stacks:
      - {name: openmpi, mpi: openmpi@5, packages: [hdf5]}
      - {name: mpich, mpi: mpich, packages: [hdf5], target: x86_64_v4}
    wait_s: 3600

- name: The same as the first on the nodes of a cluster, which all have /srv/petal
  petal.hpc.spack_environment:
    spack: /var/cache/petal/spack/bin/spack
    work_dir: /var/cache/petal/spack
    name: bio-cluster
    specs: [gcc@13.3.0, openmpi@5, samtools]
    cache_dir: /srv/petal/own
    farm:
      options: [--partition=build, --exclusive]

- name: Ask how far it is
  petal.hpc.spack_environment:
    spack: /var/cache/petal/spack/bin/spack
    work_dir: /var/cache/petal/spack
    name: bio-cluster
    state: status

- name: Say what would come from where
  petal.hpc.spack_environment:
    spack: /var/cache/petal/spack/bin/spack
    work_dir: /var/cache/petal/spack
    name: bio-cluster
    specs: [samtools]
  check_mode: true
"""

RETURN = r"""
environment:
  description: The environment. A task that failed returns it too.
  returned: always
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    specs:
      description: Its specs, in their normal form.
      type: list
      elements: str
    changed:
      description: Whether this call changed it, or took the end of an installation into the books.
      type: bool
    finished:
      description: Whether there is nothing left to wait for.
      type: bool
    path:
      description: Directory of its files.
      type: str
    lock:
      description: Its spack.lock.
      type: str
    log:
      description: The log of its installation.
      type: str
    packages:
      description:
        - Its packages, dependencies first, without those that are only needed to build what is there or cached.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the package.
          type: str
        version:
          description: Its version.
          type: str
        hash:
          description: Spack's hash of it, 32 characters.
          type: str
        prefix:
          description: Where it is, or would be.
          type: str
        origin:
          description:
            - V(source) or V(cache), where it comes from or came from; V(installed) for one that was there before;
              V(base) for one that O(base) brought; V(external) for one of the host.
          type: str
        seconds:
          description: What its installation took. Null where that is not known.
          type: float
        spec:
          description: The spec that it stands for, or its name and version.
          type: str
        license:
          description: What its recipe says, an SPDX expression as a rule; empty where it says nothing.
          type: str
        dependencies:
          description: Hashes of what it needs to run.
          type: list
          elements: str
        variants:
          description: Its variants and flags of compilers, as in a spec, a word for each.
          type: str
          sample: +mpi api=v18 build_system=cmake
        build_dependencies:
          description: Hashes of what only its build needs.
          type: list
          elements: str
        started:
          description: When its installation began, in seconds since 1970. Null where that is not known.
          type: float
        ended:
          description: When it was done.
          type: float
        explicit:
          description: Whether O(specs), O(build_from_source) or O(stacks) ask for it.
          type: bool
        stacks:
          description: Names of the stacks that ask for it; an empty one for O(specs) and O(build_from_source).
          type: list
          elements: str
    tools:
      description:
        - What was installed to build its packages and is not there, in the form of RV(environment.packages).
      type: list
      elements: dict
    failed:
      description:
        - The packages that failed, as C(package), C(version), C(hash), C(phase), C(log) (path of its log), C(tail)
          (the telling part of it) and C(host) (the node of O(farm) that built it, empty for the host of the task).
      type: list
      elements: dict
    handed_on:
      description:
        - What its last installation has handed on to the cache of O(hand_on), as C(mirror), the numbers C(pushed),
          C(already), C(failed) and C(left), C(reason) (why, of the first that failed), C(bytes), C(seconds) (of all
          pushes), C(longest) (of one), C(cut) (whether what hands them on was ended, so that nobody knows of the rest)
          and C(line) (for people). Null without O(hand_on).
      type: dict
    concretize_s:
      description: Seconds that solving took; 0 where what was chosen before was taken.
      type: float
    pruned:
      description: Whether the solution was found with what cannot be needed left out.
      type: bool
    solves:
      description: How often the solver ran for it; V(0) where what was chosen before was taken (O(decided_by)).
      type: int
    install_s:
      description: Seconds that its installations took, all together.
      type: float
progress:
  description: How far the installation is, as C(done), C(total) and C(item).
  returned: success
  type: dict
status:
  description:
    - V(running); V(finished), where all is installed; V(failed), where RV(environment.failed) says what; V(stopped),
      where it was solved and is not being installed, so that the next run goes on; V(absent), where nothing was solved.
  returned: with O(state=status)
  type: str
log_tail:
  description: The telling end of the installation's log, at most 20 lines.
  returned: with O(state=status)
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._spack.api import (
    ABSENT,
    FINISHED,
    PRESENT,
    STATES,
    STATUS,
    Environment,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.farm import ENGINES, JOBS, LOCAL, OPTIONS, SLURM, Farm
from ansible_collections.petal.hpc.plugins.module_utils._spack.feeding import Feed
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import EnvironmentRequest
from ansible_collections.petal.hpc.plugins.module_utils._spack.plan import GIB
from ansible_collections.petal.hpc.plugins.module_utils._spack.records_api import keep
from ansible_collections.petal.hpc.plugins.module_utils._spack.steps_api import Options

STACK = {
    "name": {"type": "str", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
    "compiler": {"type": "str"},
    "mpi": {"type": "str"},
    "target": {"type": "str"},
}

FARM_OPTIONS = {
    "engine": {"type": "str", "choices": list(ENGINES), "default": SLURM},
    "options": {"type": "list", "elements": "str", "default": list(OPTIONS)},
    "jobs": {"type": "int", "default": JOBS},
    "local_dir": {"type": "path", "default": LOCAL},
}

HAND_ON = {
    "mirror": {"type": "str", "required": True},
    "exclude": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    """Arguments in, record out."""
    module = AnsibleModule(
        argument_spec={
            "spack": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "work_dir": {"type": "path"},
            "specs": {"type": "list", "elements": "str"},
            "compiler": {"type": "str"},
            "target": {"type": "str"},
            "stacks": {"type": "list", "elements": "dict", "options": STACK},
            "cache_dir": {"type": "path"},
            "padded_length": {"type": "int", "default": 128},
            "cache_limit": {"type": "float", "default": 0},
            "record_dir": {"type": "path"},
            "decided_by": {"type": "list", "elements": "path", "default": []},
            "build_from_source": {"type": "list", "elements": "str", "default": []},
            "farm": {"type": "dict", "options": FARM_OPTIONS},
            "hand_on": {"type": "dict", "options": HAND_ON},
            "deprecated": {"type": "bool", "default": True},
            "concurrency": {"type": "int", "default": 0},
            "timeout": {"type": "int", "default": 0},
            "wait_s": {"type": "float", "default": 15},
            "until_finished": {"type": "bool", "default": False},
            "parallel": {"type": "bool", "default": True},
            "look_for_sources": {"type": "bool", "default": True},
            "write_modules": {"type": "bool", "default": True},
            "base": {"type": "path"},
            "fail_fast": {"type": "bool", "default": True},
            "prune": {"type": "bool", "default": True},
            "state": {"type": "str", "choices": list(STATES), "default": PRESENT},
        },
        required_by={"hand_on": ("cache_dir",)},
        required_if=[("state", state, ["specs"]) for state in STATES if state not in (ABSENT, STATUS)],
        supports_check_mode=True,
    )
    given = module.params
    if given["until_finished"] and given["state"] not in (PRESENT, FINISHED):
        module.fail_json(msg=f"until_finished is for state={PRESENT} and {FINISHED}, and not for {given['state']}")
    try:
        wanted = EnvironmentRequest.checked(given)
        options = Options(
            spack=given["spack"],
            work_dir=given["work_dir"] or "",
            jobs=given["concurrency"],
            timeout=given["timeout"],
            wait=given["wait_s"],
            fail_fast=given["fail_fast"],
            prune=given["prune"],
            parallel=given["parallel"],
            cache_dir=given["cache_dir"] or "",
            padded_length=given["padded_length"],
            look_for_sources=given["look_for_sources"],
            decided_by=given["decided_by"],
            base=given["base"] or "",
            cache_limit=int(given["cache_limit"] * GIB),
            farm=Farm.checked(given["farm"]),
            modules=given["write_modules"],
            feed=Feed.checked(given["hand_on"]),
        )
        result = Environment(module, wanted, options).ensure(given["state"])
        finished = result["environment"]["finished"] and given["state"] != STATUS
        if given["record_dir"] and finished and not module.check_mode:
            result["changed"] = keep(given["record_dir"], result["environment"]) or result["changed"]
    except PetalError as error:
        module.fail_json(msg=str(error), environment={"finished": True, **getattr(error, "environment", {})})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
