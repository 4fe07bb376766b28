# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what Spack prints while it installs."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import (
    BUILDING,
    DONE,
    FAILED,
    Site,
    read_output,
    seen,
)

NEW = """\
[e] 4a3hfev gmake@4.3 /usr (0s)
[ ] huweugz seqtk@1.4 staging (1s)
[ ] huweugz seqtk@1.4 install (1s)
[ ] rowvn6w lz4@1.10.0 fetching from build cache (0s)
[ ] rowvn6w lz4@1.10.0 relocating (1s)
[ ] vkplr6l argtable@2-13 configure (1s)
[+] rowvn6w lz4@1.10.0 /shared/spack/opt/[padded-to-128-chars]/lz4-1.10.0-rowvn6w (2s)
[ ] imwxox6 tree@2.1.0 install (1s)
[x] imwxox6 tree@2.1.0 failed: /var/cache/stage/spack-stage-tree-2.1.0-imwxox6-88mpuseq.log (1h02m03s)
[+] huweugz seqtk@1.4 /shared/spack/opt/[padded-to-128-chars]/seqtk-1.4-huweugz (1m04s)
==> Error: The following packages failed to install:
tree@2.1.0/imwxox6: /var/cache/stage/spack-stage-tree-2.1.0-imwxox6-88mpuseq.log
"""

OLD_HASH = "ohzdsv5huxyhmc53e6zmukq43kntm2wv"
OLD = f"""\
[+] /usr (external gmake-4.3-wsh7ykm5u4wwywmb4qg3nv4tzwhvs7av)
==> No binary for tree-2.1.0-{OLD_HASH} found: installing from source
==> Installing tree-2.1.0-{OLD_HASH} [2/3]
==> Fetching file:///mirror/_source-cache/archive/01/0160c5.tgz
==> No patches needed for tree
==> tree: Executing phase: 'install'
==> tree: Successfully installed tree-2.1.0-{OLD_HASH}
  Stage: 0.11s.  Install: 1.66s.  Post-install: 0.08s.  Total: 2.01s
[+] /shared/spack/opt/tree-2.1.0-ohzdsv5
==> Installing py-x-y-1.0-rc1-{"b" * 32} [3/3]
==> Extracting py-x-y-1.0-rc1-{"b" * 32} from binary cache
"""


def node(name: str, key: str) -> Node:
    return Node(name, "1", key)


def test_the_new_installer() -> None:
    found = read_output(NEW.splitlines())
    assert [item.label for item in found.in_state(DONE)] == ["gmake@4.3", "seqtk@1.4", "lz4@1.10.0"]
    assert [(item.label, item.phase) for item in found.in_state(BUILDING)] == [("argtable@2-13", "configure")]
    assert found.items["rowvn6w"].origin == "cache"
    assert found.items["rowvn6w"].seconds == 2
    assert found.items["huweugz"].origin == "source"
    assert found.items["huweugz"].seconds == 64
    failed = found.in_state(FAILED)
    assert [(item.name, item.phase) for item in failed] == [("tree", "install")]
    assert failed[0].log == "/var/cache/stage/spack-stage-tree-2.1.0-imwxox6-88mpuseq.log"
    assert failed[0].seconds == 3723
    assert found.errors == ["The following packages failed to install:"]


def test_a_cache_that_misses_is_followed_by_a_build() -> None:
    lines = [
        "[ ] huweugz seqtk@1.4 fetching from build cache (0s)",
        "[ ] huweugz seqtk@1.4 no binary available (0s)",
        "[ ] huweugz seqtk@1.4 staging (0s)",
        "[+] huweugz seqtk@1.4 /opt/seqtk (2s)",
    ]
    found = read_output(lines, [1.0, 1.5, 9.0, 11.0]).items["huweugz"]
    assert found.origin == "source"
    # It waited once more, for what it is built with.
    assert (found.started, found.ended) == (9.0, 11.0)


def test_what_was_built_in_one_place_and_brought_to_another_was_built() -> None:
    built = ["[ ] huweugz seqtk@1.4 staging (0s)", "[+] huweugz seqtk@1.4 /store/seqtk (1m02s)"]
    moving = ["[ ] huweugz seqtk@1.4 fetching from build cache (0s)", "[ ] huweugz seqtk@1.4 relocating (0s)"]
    for lines in (built, [*built, *moving], [*built, *moving, "[+] huweugz seqtk@1.4 /opt/seqtk (1s)"]):
        item = read_output(lines).items["huweugz"]
        assert (item.state, item.origin, item.seconds) == (DONE, "source", 62)
    failed = read_output([*built, *moving, "[x] huweugz seqtk@1.4 failed: /log (1s)"]).items["huweugz"]
    assert failed.state == FAILED


def test_full_hashes() -> None:
    found = read_output(NEW.splitlines())
    nodes = {key: node(name, key) for name, key in (("seqtk", "huweugz" + "a" * 25), ("other", "rowvn6w" + "b" * 25))}
    # A short hash alone is not enough: the name has to fit too.
    assert set(found.by_hash(nodes)) == {"huweugz" + "a" * 25}


def test_the_old_installer() -> None:
    found = read_output(OLD.splitlines())
    done = found.in_state(DONE)
    assert [(item.label, item.hash, item.origin, item.seconds) for item in done] == [
        ("tree@2.1.0", OLD_HASH, "source", 2.01)
    ]
    assert [(item.name, item.origin, item.phase) for item in found.in_state(BUILDING)] == [
        ("py-x-y", "cache", "relocating")
    ]
    assert set(found.by_hash({OLD_HASH: node("tree", OLD_HASH)})) == {OLD_HASH}


def test_half_a_line_and_anything_else_is_passed_over() -> None:
    assert read_output(["[+] huweu", "make: *** [all] Error 2", "", "\x1b[0m"]).items == {}


def test_when_a_package_was_begun_and_done_is_by_the_clock_of_the_log() -> None:
    lines = [
        "[ ] huweugz seqtk@1.4 staging (1s)",
        "[ ] huweugz seqtk@1.4 install (1s)",
        "[+] rowvn6w lz4@1.10.0 /opt/lz4 (2s)",
        "[+] huweugz seqtk@1.4 /opt/seqtk (1m04s)",
        "[ ] vkplr6l argtable@2-13 configure (1s)",
    ]
    output = "".join(f"{line}\n" for line in lines).encode()
    marks = [(len(lines[0]) + 1, 100.0), (sum(map(len, lines[:3])) + 3, 104.5), (sum(map(len, lines[:4])) + 4, 164.0)]
    found = read_output(*seen(output, "".join(f"{size} {when}\n" for size, when in marks)))
    assert (found.items["huweugz"].started, found.items["huweugz"].ended) == (100.0, 164.0)
    # Another process had installed it, so that nobody saw it begin; and the clock had ended before the last line.
    assert (found.items["rowvn6w"].started, found.items["rowvn6w"].ended) == (None, 104.5)
    assert (found.items["vkplr6l"].started, found.items["vkplr6l"].ended) == (None, None)


def test_the_old_installer_has_times_too() -> None:
    lines = OLD.splitlines()
    found = read_output(lines, [float(number) for number in range(len(lines))])
    assert [(item.name, item.started, item.ended) for item in found.items.values()] == [
        ("tree", 2.0, 6.0),
        ("py-x-y", 9.0, None),
    ]


def test_a_clock_that_is_none_gives_no_times() -> None:
    assert seen(b"one\n\xfftwo\r\nthree", "here is no clock\n99999999999999999999 1.0\n") == (
        ["one", "\ufffdtwo", "three"],
        [None, None, None],
    )


def test_a_node_says_what_it_builds_and_slurm_what_went_wrong() -> None:
    key = "huweugz" + "a" * 25
    lines = [
        f"==> Node c1: {key}, 4 jobs, 8589934592 bytes",
        "[ ] huweugz seqtk@1.4 build (1s)",
        "[ ] rowvn6w lz4@1.10.0 relocating (1s)",
        "srun: error: Node failure on c1",
        "salloc: error: Job allocation 5 has been revoked",
    ]
    found = read_output(lines)
    assert found.site(found.items["huweugz"]) == Site("c1", 4, 8589934592)
    assert found.site(found.items["rowvn6w"]) is None
    assert found.errors == ["Node failure on c1", "Job allocation 5 has been revoked"]
