#!/usr/bin/python
# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: git_commit
short_description: Look up, mirror or check out one commit of a Git repository
version_added: "0.2.0"
author:
  - petal.hpc contributors (@petal-hpc)
description:
  - Fetches one commit and no more, by its name or by what somebody has looked up before. What is pinned, a commit or a
    tag such as C(v1.2.0), is fetched once and not asked for again; a branch is, each time.
  - A tag counts before a branch of the same name, as for Git itself.
  - A token of an address is on no command line and in no message, where it comes by O(secrets).
attributes:
  check_mode:
    description: Looks at what is there, and says whether anything would be fetched.
    support: full
  diff_mode:
    description: There is no difference to show.
    support: none
options:
  url:
    description: Address of the repository, without user name and password (P(petal.hpc.git_access#filter)).
    type: str
    required: true
  ref:
    description: Name of the commit, a tag, a branch or a commit in full.
    type: str
    required: true
  commit:
    description: The commit at which O(ref) stands, where somebody has looked. It is fetched in place of the name.
    type: str
    default: ""
  known:
    description:
      - The commit that the tag O(ref) was published as. It is fetched by that, and anything else under that name is an
        error.
    type: str
    default: ""
  state:
    description:
      - V(resolved) asks the repository at which commit O(ref) stands, in check mode too. V(mirrored) has it in the bare
        repository O(path), under its name, and lets others fetch any commit there. V(checked_out) has it in the work
        tree O(path).
    type: str
    choices: [resolved, mirrored, checked_out]
    default: checked_out
  path:
    description: Directory of the repository. Needed for all states but V(resolved). It is made where it is missing.
    type: path
  user:
    description: As whom Git runs, where the task runs as root.
    type: str
    default: ""
  environment:
    description: Variables for Git's environment.
    type: dict
    default: {}
  kept:
    description:
      - A bare repository of the host's own, for V(checked_out). A commit that comes over a network for root is kept in
        it and comes from there the next time, of at most 16 commits. It is made where it is missing, and not used where
        others can write.
    type: path
  former:
    description:
      - What is left of a checkout that nobody trusts, for V(checked_out) by root, such as that of the volume that this
        one was made from. What of it is as the commit has it, byte by byte, is moved to O(path), and so stays where it
        is on the disk. The rest is removed. Nothing happens where it is not there.
    type: path
  secrets:
    description: The same for when Git talks to a server, which nobody else is to see.
    type: dict
    default: {}
  title:
    description: What the repository is, in messages.
    type: str
    default: the repository
  advice:
    description: What to do where it cannot be reached or has no such name, a sentence for the error.
    type: str
    default: ""
  advice_moved:
    description: What to do where O(known) is not what is there.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Check out a release of Spack's packages
  petal.hpc.git_commit:
    url: https://git.example.org/spack-packages.git
    ref: v2026.06.0
    path: /srv/spack-packages

- name: Ask where a branch stands, in a repository that wants a token
  petal.hpc.git_commit:
    url: "{{ access.url }}"
    ref: develop
    state: resolved
    environment: "{{ access.environment }}"
    secrets: "{{ access.secrets }}"
  register: found
  vars:
    access: "{{ spack_git_url | petal.hpc.git_access }}"
"""

RETURN = r"""
commit:
  description: The commit; null in check mode where it would be fetched first.
  returned: success
  type: str
  sample: 9377a7b31dab3cb3880326de764d0ebb4f782d4f
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._git.api import Git, provided
from ansible_collections.petal.hpc.plugins.module_utils._git.model import Wanted
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host

_WANTED = ("title", "url", "ref", "commit", "known", "advice", "advice_moved")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "ref": {"type": "str", "required": True},
            "commit": {"type": "str", "default": ""},
            "known": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["resolved", "mirrored", "checked_out"], "default": "checked_out"},
            "path": {"type": "path"},
            "user": {"type": "str", "default": ""},
            "environment": {"type": "dict", "default": {}},
            "kept": {"type": "path"},
            "former": {"type": "path"},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "title": {"type": "str", "default": "the repository"},
            "advice": {"type": "str", "default": ""},
            "advice_moved": {"type": "str", "default": ""},
        },
        required_if=[("state", "mirrored", ["path"]), ("state", "checked_out", ["path"])],
        supports_check_mode=True,
    )
    given = module.params
    try:
        wanted = Wanted(**{name: given[name] for name in _WANTED})
        kept, former = (Path(given[name]) if given[name] else None for name in ("kept", "former"))
        git = Git(Host(module.run_command), wanted, given["user"], given["environment"], given["secrets"], kept, former)
        result = provided(git, wanted, given["state"], given["path"], module.check_mode)
    except PetalError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
