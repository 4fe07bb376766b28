# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Git lists of a commit, and how it names what is in a file."""

from __future__ import annotations

from ansible_collections.petal.hpc.plugins.module_utils._git.former import Entry, directories, entries, object_of

ONE, TWO = "1" * 40, "2" * 40


def test_the_files_of_a_commit() -> None:
    lines = (
        f"100644 blob {ONE}     120\tlib/a b.py",
        f"120000 blob {TWO}       7\tlink",
        f"160000 commit {ONE}       -\tmodule",
        "",
    )
    found = entries("\0".join(lines), {"lib/a b.py", "link", "module"})
    assert found == {"lib/a b.py": Entry("100644", ONE, 120), "link": Entry("120000", TWO, 7)}
    assert directories(found) == {".", "lib"}
    assert entries("\0".join(lines), {"link"}) == {"link": Entry("120000", TWO, 7)}
    assert entries("", set()) == {}


def test_what_is_in_a_file_has_the_name_that_git_gives_it() -> None:
    assert object_of(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
