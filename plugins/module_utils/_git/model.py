# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One commit of a Git repository: by which name it is asked for, what is said of it, and what an error says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.addresses import redacted
from ansible_collections.petal.hpc.plugins.module_utils._seed.grammar import is_commit

#: Of a reason that stands in brackets.
_LIMIT = 300
_PROBLEM = re.compile(r"(?:fatal|error): (.*)")
#: Addresses of what is on another machine.
_SCHEMES = ("http://", "https://", "ssh://", "git://")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*")
#: What git-ls-remote(1) adds to an annotated tag for the commit behind it.
_PEELED = "^{}"


class GitError(PetalError):
    """A repository that cannot be reached, or that has something else than was asked for."""


@dataclass(frozen=True)
class Wanted:
    """One commit of a repository.

    title: of the repository, in messages. url: without credentials. ref: the name that somebody gave it: a commit, a
    tag or a branch. commit: at which that name stood when it was looked up; empty where nobody looked. known: the
    commit that a tag was published as; empty for any other name. advice, advice_moved: sentences on what to do where it
    cannot be had, and where ``known`` is not what came.
    """

    title: str
    url: str
    ref: str
    commit: str = ""
    known: str = ""
    advice: str = ""
    advice_moved: str = ""

    def __post_init__(self) -> None:
        for name in (self.ref, *filter(None, (self.commit, self.known))):
            if not _NAME.fullmatch(name):
                raise GitError(
                    f'"{name}" is no reference of {self.title}. Expected a tag, a branch or a commit in full.'
                )

    @property
    def fetch(self) -> str:
        """What is asked for: the commit where it is known, the name otherwise."""
        return self.commit or self.known or self.ref

    @property
    def published(self) -> bool:
        """Whether what comes has to be the commit that a tag was published as."""
        return bool(self.known) and self.fetch == self.known

    @property
    def may_be_kept(self) -> bool:
        """Whether it is a commit that comes over a network."""
        host, colon, _path = self.url.partition(":")
        by_ssh = bool(colon) and "@" in host and "/" not in host
        return is_commit(self.fetch) and (by_ssh or self.url.startswith(_SCHEMES))

    @property
    def noted(self) -> tuple[str, ...]:
        """What a checkout that fits may be noted as. Earlier releases noted a tag that is fetched by its commit now."""
        return (self.fetch, self.ref) if self.published else (self.fetch,)

    def not_found(self, problem: str) -> GitError:
        return GitError(
            f"Could not find {self.ref} of {self.title} at {self.url} ({reason(problem)}). {self.advice}".strip()
        )

    def not_fetched(self, problem: str, node: str) -> GitError:
        name = self.ref if self.known else self.fetch
        why = reason(problem)
        return GitError(
            f"Could not fetch {self.title} at {name} from {self.url} on {node} ({why}). {self.advice}".strip()
        )

    def moved(self, place: str, commit: str) -> GitError:
        return GitError(
            f"{self.ref} of {self.title} is commit {self.known}, as it was published, and {place} has {commit} under "
            "that name. The tag was moved, or this is another repository, so nothing of it was used. "
            f"{self.advice_moved}".rstrip()
        )


def patterns(ref: str) -> list[str]:
    """What git-ls-remote(1) is asked for of a name."""
    return [f"refs/tags/{ref}", f"refs/heads/{ref}", f"refs/tags/{ref}{_PEELED}"]


def standing(listing: str, ref: str) -> tuple[str, str] | None:
    """The reference that a name means, in full, and its commit; None where there is none.

    A tag counts before a branch of the same name, as for Git itself (gitrevisions(7)).

    :param listing: what git-ls-remote(1) says of ``patterns(ref)``.
    """
    commits = {name: commit for commit, _tab, name in (line.partition("\t") for line in listing.splitlines())}
    tag, branch, peeled = patterns(ref)
    for name in (peeled, tag, branch):
        if name in commits:
            return name.removesuffix(_PEELED), commits[name]
    return None


def reason(problem: str) -> str:
    """Git's first error, short enough to stand in brackets; where it has none, no such name is there."""
    said = next((found[1] for line in problem.splitlines() if (found := _PROBLEM.match(line))), "no such name there")
    said = redacted(said)
    return (said if len(said) <= _LIMIT else said[:_LIMIT].rsplit(" ", 1)[0] + "...").rstrip(". ")
