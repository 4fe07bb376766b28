# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages about Spack's failures."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._spack.messages import (
    ended_message,
    failed_message,
    failures,
    from_source_messages,
    longer_by,
    reason,
    refused_message,
    several_message,
    tail,
    unmoved_message,
    without_padding,
)
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node
from ansible_collections.petal.hpc.plugins.module_utils._spack.progress import read_output

PAD = "__spack_path_placeholder__"


def test_padding() -> None:
    assert without_padding(f"/shared/opt/{PAD}/{PAD}/__spack_pa/zlib-1/lib") == "/shared/opt/…/zlib-1/lib"
    assert without_padding(f"-I/shared/opt/{PAD}/_/zlib x") == "-I/shared/opt/…/zlib x"
    assert without_padding(f"/shared/opt/{PAD}/zlib") == "/shared/opt/…/zlib"
    assert without_padding("/shared/opt/__pycache__/x") == "/shared/opt/__pycache__/x"
    assert without_padding("\x1b[31mred\x1b[0m") == "red"


def test_a_short_log_is_shown_whole() -> None:
    assert tail("a\n\nb  \n") == "a\nb"
    assert tail("") == ""


def test_of_a_traceback_the_exception_is_shown() -> None:
    log = (
        "a\nTraceback (most recent call last):\n  File \"x.py\", line 3, in f\n    y[z]\n    ~^^\nKeyError: 'c'\n  b\n"
    )
    assert tail(log) == "a\nKeyError: 'c'\n  b"


def test_the_first_errors_of_a_parallel_build_come_first() -> None:
    log = ["gcc -c a.c", "a.c:3:5: error: expected ';'", "    3 |   int x", *[f"gcc -c {n}.c" for n in range(100)]]
    log += ["make: *** [Makefile:3: a.o] Error 1", "==> Error: ProcessError: error: x"]
    found = tail("\n".join(log)).splitlines()
    assert len(found) == 20
    assert found[:3] == ["a.c:3:5: error: expected ';'", "    3 |   int x", "[…]"]
    assert found[-2] == "make: *** [Makefile:3: a.o] Error 1"
    # Among the last lines they are seen anyway.
    assert "[…]" not in tail("\n".join(["x"] * 50 + ["a.c:3: error: y"]))


def test_why_spack_refused() -> None:
    output = (
        "==> Warning: something\n==> Error: The following input specs can only be satisfied by deprecated versions:\n"
        "    gcc@11.3.0\nRun with --deprecated to allow Spack to use these versions.\n"
    )
    assert reason(output) == ("The following input specs can only be satisfied by deprecated versions:\n    gcc@11.3.0")
    assert reason("") == "no message"
    assert len(reason("==> Error: " + "x" * 9000)) == 3000
    assert refused_message("bio", "==> Error: Package 'nonexist' not found.").startswith(
        "Spack refuses the specs of the environment bio, nothing was built: Package 'nonexist' not found."
    )
    assert "the specs of the environment bio (stack mpich), nothing" in refused_message("bio", "no", "mpich")


def test_several_builds_are_those_of_a_stack() -> None:
    assert several_message(["zlib 1.2, 1.3"]).startswith("No one set of dependencies fits all of the specs, so")
    assert several_message(["zlib 1.2, 1.3"], "mpich").startswith(
        "No one set of dependencies fits all of the stack mpich"
    )


def test_the_message_names_package_phase_log_and_its_end() -> None:
    lines = [
        "[ ] aaaaaaa bad@1.0 build (0s)",
        f"[x] aaaaaaa bad@1.0 failed: /stage/{PAD}/_/bad.log (1s)",
        "[ ] bbbbbbb worse@2 staging (0s)",
        "[x] bbbbbbb worse@2 failed: /stage/worse.log (1s)",
    ]
    found = failures(read_output(lines), [Node("bad", "1.0", "a" * 32)], ["cc: fatal error: x\n", ""])
    assert [item.hash for item in found] == ["a" * 32, "bbbbbbb"]
    message = failed_message("bio", found, [], "/envs/bio/install.log", "node1")
    assert message.splitlines() == [
        "bad@1.0 did not build on node1: it failed in its phase build. So did worse@2. Its log is /stage/…/bad.log.",
        "The end of it:",
        "    cc: fatal error: x",
        "What was finished is not built again where its store or a cache is kept: correct the spec or the cause and "
        "run again.",
    ]


def test_what_failed_on_other_nodes_is_said_with_them() -> None:
    lines = [
        f"==> Node c1: {'a' * 32}, 4 jobs, 1024 bytes",
        "[ ] aaaaaaa bad@1.0 build (1s)",
        "[x] aaaaaaa bad@1.0 failed: /own/logs/c1-bad.log (1s)",
        f"==> Node c2: {'b' * 32}, 4 jobs, 1024 bytes",
        "[x] bbbbbbb worse@2 failed: /own/logs/c2-worse.log (1s)",
    ]
    found = failures(read_output(lines), [], ["", ""])
    assert [item.host for item in found] == ["c1", "c2"]
    message = failed_message("bio", found, [], "/log", "head")
    assert message.startswith(
        "bad@1.0 did not build on c1: it failed in its phase build. So did worse@2 on c2. Its log"
    )


def test_no_package_is_to_blame() -> None:
    message = failed_message("bio", [], ["Cannot write", "Cannot write"], "/log", "node1")
    assert message.startswith("Spack could not install the environment bio on node1: Cannot write. The log is /log.")


def test_ended() -> None:
    assert "time-out of 60 s. It was at work on gcc@13. " in ended_message("bio", ["gcc@13"], "/log", 60)
    assert "killed from outside again and again" in ended_message("bio", [], "/log", None)


def test_a_path_without_room_for_the_new_one() -> None:
    said = "Cannot replace b'/a/zlib-1-abc' with b'/longer/zlib-1-abc' because the new prefix is longer. To fix this, …"
    assert longer_by(f"Traceback\nspack.relocate_text.CannotGrowString: {said}\n", "zlib", []) == 5
    short = "CannotShrinkCString: Cannot replace b'/abc' with b'/ab' in the C-string b'/abc'. To fix this, …"
    assert longer_by(short, "zlib", []) == -1
    # Spack's old installer says it in its own output, for the package that it names.
    error = f"Failed to install zlib due to CannotGrowString: {said}"
    assert longer_by("", "zlib", ["something", error]) == 5
    assert longer_by("", "zlib-ng", [error]) is None
    assert longer_by("a.c:3: error: Cannot replace b", "zlib", ["Failed to install zlib due to ChildError"]) is None


def test_what_could_not_be_moved() -> None:
    one = unmoved_message(["a@1"], 5)
    assert one.startswith("a@1 was built from source although a cache has it: ")
    assert "longer by 5 characters" in one
    assert unmoved_message(["a@1", "b@2"], -3).startswith("a@1, b@2 were built from source although a cache has them: ")


def test_what_was_built_although_a_cache_has_it_is_said_by_its_reason() -> None:
    nodes = [Node(name, "1", f"{name}-hash") for name in ("far", "damaged", "fine")]
    far, damaged = from_source_messages({"far": 5, "damaged": None}, nodes)
    assert far.startswith("far@1 was built from source although a cache has it: paths in it cannot be changed")
    assert damaged.startswith("damaged@1 was built from source although a cache has it: what it has is damaged, or ")
    assert from_source_messages({}, nodes) == []
