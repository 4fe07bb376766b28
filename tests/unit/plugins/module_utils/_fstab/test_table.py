"""Lines of fstab: one is written, changed or taken away, and all others stay as they are."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._fstab.table import Entry, with_entry, without

ROOT = "# /etc/fstab\nUUID=1  /  ext4  defaults  0 1\n"
VOLUME = Entry("/store/a.img", "/shared", "ext4", "loop,ro,nofail")
LINE = "/store/a.img /shared ext4 loop,ro,nofail 0 0\n"


def test_a_line_is_added_once_and_taken_away() -> None:
    text = with_entry(ROOT, VOLUME)
    assert text == ROOT + LINE
    assert with_entry(text, VOLUME) == text
    assert without(text, "/shared") == ROOT
    assert without(ROOT, "/shared") == ROOT


def test_another_volume_takes_the_place_of_the_first() -> None:
    other = Entry("/store/b.img", "/shared", "ext4")
    assert with_entry(LINE + ROOT + LINE, other) == "/store/b.img /shared ext4 defaults 0 0\n" + ROOT


@pytest.mark.parametrize(
    "same", ["/store/a.img\t/shared ext4 loop,ro,nofail\n", "/store/a.img /shared ext4  loop,ro,nofail 0\n"]
)
def test_what_says_the_same_stays(same: str) -> None:
    assert with_entry(same, VOLUME) == same


def test_a_file_whose_last_line_does_not_end() -> None:
    assert with_entry("proc /proc proc defaults", VOLUME) == "proc /proc proc defaults\n" + LINE
    assert without("proc /proc proc defaults", "/shared") == "proc /proc proc defaults"


def test_paths_with_blanks_are_written_as_fstab_has_them() -> None:
    entry = Entry("head:/my share", "/my share", "nfs")
    text = with_entry("", entry)
    assert text == "head:/my\\040share /my\\040share nfs defaults 0 0\n"
    assert with_entry(text, entry) == text
    assert without(text, "/my share") == ""


def test_comments_and_lines_that_are_none_are_nobodys() -> None:
    text = "#x /shared ext4 defaults\n/shared\n\n"
    assert without(text, "/shared") == text
