# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What went wrong, for people: the telling part of a build log, Spack's reasons, and one message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Failure, Node
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import FAILED, Progress

TAIL_LINES = 20
_LONGEST_LINE = 400

# Paths on the volume are filled up to a fixed length, so that binaries can be moved: nobody wants to read that.
_PAD = "__spack_path_placeholder__"
_PADDING = re.compile(
    rf"(?:/{_PAD})+(?:/(?:{'|'.join(_PAD[:length] for length in range(len(_PAD) - 1, 0, -1))})(?=/|$))?", re.MULTILINE
)
_COLOR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# How compilers, linkers, make, CMake, configure and Python begin the line that matters.
_TELLING = re.compile(
    r"(?:\bfatal error:|(?<![\w-])error:|\bundefined reference to\b|\bcannot find -l|\bNo rule to make target\b"
    r"|CMake Error|configure: error|\bcommand not found\b|: not found$|\bSegmentation fault\b|\bNo space left on device"
    r"|internal compiler error|Killed\b|^\s*\w*(?:Error|Exception): )"
)
# Where a path that was compiled into a package has no room for the new one (relocate_text.py of Spack 1.0 to 1.2).
_NO_ROOM = re.compile(
    r"Cannot replace b(?P<old>'[^'\n]+'|\"[^\"\n]+\") with b(?P<new>'[^'\n]+'|\"[^\"\n]+\") "
    r"(?:because the|in the C-string)"
)
# Spack's own lines about the failed command, which stand last and say nothing new.
_OWN = re.compile(r"^(?:==> |ProcessError|Command exited with status|\s*'?/\S+' '-j)")


def without_padding(text: str) -> str:
    """Text without the padding of Spack's prefixes, and without colors.

    >>> without_padding("/shared/spack/opt/__spack_path_placeholder__/__spack_path_placeholder__/__spack_pat/zlib")
    '/shared/spack/opt/…/zlib'
    """
    return _COLOR.sub("", _PADDING.sub("/…", text))


def tail(log: str, lines: int = TAIL_LINES) -> str:
    """The telling end of a build log, at most ``lines`` lines.

    The end of a parallel build is often about something else, so the first errors come first where they are not
    among the last lines anyway.
    """
    everything = [line[:_LONGEST_LINE] for line in _without_tracebacks(without_padding(log).splitlines())]
    end = everything[-lines:]
    start = len(everything) - len(end)
    early = [number for number in range(start) if _tells(everything[number])]
    if not early:
        return "\n".join(end)
    room = lines // 2
    first: list[str] = []
    for number in early[: room // 2]:
        # A compiler shows the place below its message.
        first += [line for line in everything[number : number + 2] if line not in first]
    first = first[: room - 1]
    return "\n".join([*first, "[…]", *everything[-(lines - len(first) - 1) :]])


def _without_tracebacks(lines: Iterable[str]) -> Iterator[str]:
    """Lines that say something; of a Python traceback the exception only."""
    inside = False
    for line in lines:
        if line.startswith("Traceback (most recent call last)"):
            inside = True
        elif inside and line.startswith(" "):
            continue
        elif line.strip():
            inside = False
            yield line.rstrip()


def _tells(line: str) -> bool:
    return bool(_TELLING.search(line)) and not _OWN.match(line)


def reason(output: str, limit: int = 3000) -> str:
    """Why Spack refused: what stands behind its last ``==> Error:``, without its advice on how to call it."""
    text = without_padding(output)
    start = text.rfind("==> Error: ")
    if start >= 0:
        text = text[start + len("==> Error: ") :]
    lines = [line.rstrip() for line in text.strip().splitlines()]
    lines = [line for line in lines if line and not line.startswith(("==> ", "Run with --"))]
    text = "\n".join(lines) or "no message"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def failures(progress: Progress, nodes: Iterable[Node], logs: Sequence[str]) -> list[Failure]:
    """What failed, with the ends of the logs.

    :param logs: text of the log of each failed package of ``progress``, in its order; empty where there is none.
    """
    known = list(nodes)
    found = []
    for item, log in zip(progress.in_state(FAILED), logs):
        full = [node.hash for node in known if node.name == item.name and node.hash.startswith(item.hash)]
        site = progress.site(item)
        found.append(
            Failure(
                package=item.name,
                version=item.version,
                hash=full[0] if full else item.hash,
                phase=item.phase,
                log=without_padding(item.log),
                tail=tail(log),
                host=site.host if site else "",
            )
        )
    return found


def longer_by(log: str, name: str, errors: Sequence[str]) -> int | None:
    """By how many characters the prefix here is longer than the one that a cached package was made for, where Spack
    could not move the package for that; None where it failed for another reason. Zero or less: it is shorter by too
    little.

    :param log: of the package.
    :param errors: Spack's own error lines, which is where its old installer says it.
    """
    mine = [error for error in errors if error.startswith(f"Failed to install {name} due to ")]
    found = _NO_ROOM.search("\n".join([log, *mine]))
    return len(found["new"]) - len(found["old"]) if found else None


def from_source_messages(told: Mapping[str, int | None], nodes: Iterable[Node]) -> list[str]:
    """The warnings about packages that were built from source although a cache has them.

    :param told: by name, by how many characters the prefixes here are longer; None for what must not be used.
    """
    known = list(nodes)
    too_long = {name: longer for name, longer in told.items() if longer is not None}
    names = set(too_long), set(told) - set(too_long)
    moved, refused = (sorted(node.label for node in known if node.name in part) for part in names)
    found = [unmoved_message(moved, max(too_long.values()))] if moved else []
    return [*found, *([unusable_message(refused)] if refused else [])]


def unusable_message(labels: Sequence[str]) -> str:
    """One message for packages of which a cache has what must not be used."""
    one = len(labels) == 1
    return (
        f"{', '.join(labels)} {'was' if one else 'were'} built from source although a cache has "
        f"{'it' if one else 'them'}: what it has is damaged, or signed by nobody who is trusted here."
    )


def unmoved_message(labels: Sequence[str], longer: int) -> str:
    """One message for packages of a cache that had to be built from source after all.

    :param longer: by how many characters the prefixes here are longer than those in the cache.
    """
    one = len(labels) == 1
    why = f"longer by {longer} characters" if longer > 0 else "shorter by too few characters to fill"
    return (
        f"{', '.join(labels)} {'was' if one else 'were'} built from source although a cache has "
        f"{'it' if one else 'them'}: paths in {'it' if one else 'them'} cannot be changed to those here, which are "
        f"{why}. To take {'it' if one else 'them'} from the cache, use a shorter mount directory or a smaller "
        "padded_length here, or build the cache with a larger padded_length."
    )


# Whether it is kept is not this one's to know, and is said by who does.
_AGAIN = "What was finished is not built again where its store or a cache is kept"


def failed_message(
    name: str, failed: Sequence[Failure], errors: Sequence[str], log: str, host: str, why: Sequence[str] = ()
) -> str:
    """One message for an installation that failed.

    :param errors: Spack's own error lines, for the case that no package is to blame.
    :param log: the log of the whole installation.
    :param why: what of the circumstances explains it (ends.py).
    """
    if not failed:
        told = "; ".join(dict.fromkeys(without_padding(error) for error in errors)) or "no message"
        return (
            f"Spack could not install the environment {name} on {host}: {told}. The log is {log}. "
            f"{_AGAIN}: correct the cause and run again."
        )
    first = failed[0]
    phase = f" in its phase {first.phase}" if first.phase else " before its first phase"
    others = ", ".join(f"{item.label} on {item.host}" if item.host else item.label for item in failed[1:])
    lines = [
        f"{first.label} did not build on {first.host or host}: it failed{phase}."
        + (f" So did {others}." if others else "")
        + (f" Its log is {first.log}." if first.log else f" The log is {log}."),
    ]
    lines += why
    if first.tail:
        lines += ["The end of it:", *(f"    {line}" for line in first.tail.splitlines())]
    lines.append(f"{_AGAIN}: correct {'the cause' if why else 'the spec or the cause'} and run again.")
    return "\n".join(lines)


def stopped_message(name: str, host: str, working: Sequence[str], log: str, why: Sequence[str]) -> str:
    """One message for an installation that ended for no fault of a package.

    :param why: as for ``failed_message``.
    """
    doing = f" It was at work on {', '.join(working)}." if working else ""
    return (
        f"The installation of the environment {name} on {host} ended before it was done. {' '.join(why)}{doing} "
        f"{_AGAIN}. The log is {log}."
    )


def refused_message(name: str, output: str, stack: str = "") -> str:
    """One message for specs that Spack's solver refuses.

    :param stack: in which they are.
    """
    where = f" (stack {stack})" if stack else ""
    return (
        f"Spack refuses the specs of the environment {name}{where}, nothing was built: {reason(output)}\n"
        "Change the specs so that they can be had together."
    )


def unsolved_message(name: str, hint: str) -> str:
    """One message for a solver that did not come to an end.

    :param hint: what ended it (_host.parse.signal_hint).
    """
    return f"Spack did not finish solving the environment {name}, nothing was built.{hint}"


def of_system_message(labels: Sequence[str]) -> str:
    """A warning of what specs ask for and the host brings."""
    return (
        f"The operating system has what was asked for as {', '.join(labels)}: it is used, not installed again, "
        "and has no module. Ask for another version or variant to have it built."
    )


def several_message(several: Sequence[str], stack: str = "") -> str:
    """A warning of packages (name and versions) of which the specs, or those of a stack, need several builds."""
    whose = f"of the stack {stack}" if stack else "of the specs"
    return (
        f"No one set of dependencies fits all {whose}, so there are several builds of "
        f"{'; '.join(several) or 'some that only build others'}."
    )


def makers_message(compiler: str, otherwise: Sequence[str]) -> str:
    """A warning of packages, each with what builds it, that are not built with the compiler that is built for them."""
    return (
        f"Not everything is built with {compiler}: Spack has chosen another compiler for {', '.join(otherwise)}. Name "
        "what is to be built with it among the packages, or give it the languages of these."
    )


def terminated_message(name: str, working: Sequence[str], log: str) -> str:
    """One message for an installation that was told to end, as by a host that shuts down."""
    doing = f" It was at work on {', '.join(working)}." if working else ""
    return (
        f"The installation of the environment {name} was ended from outside (SIGTERM), as by a host that shuts "
        f"down.{doing} {_AGAIN}: run again. The log is {log}."
    )


def ended_message(name: str, working: Sequence[str], log: str, seconds: int | None, why: str = "") -> str:
    """One message for an installation that was ended: by its time-out (``seconds``), or killed (None).

    :param why: what is known of who killed it (ends.memory).
    """
    doing = f" It was at work on {', '.join(working)}." if working else ""
    if seconds is not None:
        return (
            f"The installation of the environment {name} was ended after its time-out of {seconds} s.{doing} "
            f"{_AGAIN}: give it more time (timeout) and run again. The log is {log}."
        )
    return (
        f"The installation of the environment {name} was killed from outside again and again without finishing "
        f"anything.{doing} {why}{' ' if why else ''}The log is {log}."
    )
