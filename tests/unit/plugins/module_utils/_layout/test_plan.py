"""A plan of what lies below a directory: its order, and what is refused before anything is written."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._layout import plan
from ansible_collections.petal.hpc.plugins.module_utils._layout.plan import (
    ABSENT,
    DIRECTORY,
    FILE,
    LINK,
    OTHER,
    Entry,
    LayoutError,
    Seen,
)

ROOT = (0, 0)


def test_directories_come_first_and_the_rest_as_it_was_written() -> None:
    entries = plan.parse(
        "/shared",
        {
            "etc/z.sh": {"content": "z\n"},
            "etc/profile.d": {"directory": True},
            "a.json": {"content": "{}", "mode": "0600"},
            "etc": {"directory": True, "mode": "700"},
            "etc/old": {"absent": True},
            "etc/default": {"link": "../a.json"},
        },
    )
    assert entries == [
        Entry("etc", DIRECTORY, 0o700),
        Entry("etc/profile.d", DIRECTORY, 0o755),
        Entry("etc/z.sh", FILE, 0o644, b"z\n"),
        Entry("a.json", FILE, 0o600, b"{}"),
        Entry("etc/old", ABSENT),
        Entry("etc/default", LINK, target="../a.json"),
    ]


def test_all_that_is_wrong_with_a_plan_is_said_at_once() -> None:
    with pytest.raises(LayoutError) as caught:
        plan.parse(
            "/shared", {"../x": {"content": ""}, "y": {"content": 1}, "z": {"link": "a"}, "z/b": {"content": ""}}
        )
    assert str(caught.value).splitlines() == [
        "Nothing was written below /shared:",
        "'../x': expected a path below the directory, without a slash at its ends and without '.' and '..' in it",
        "'y': content is 1, expected a text",
        "'z/b': the plan has something else than a directory at 'z', in which it lies",
    ]


@pytest.mark.parametrize("path", ["", "/etc", "a/", "a//b", ".", "a/./b", "a/..", "../a", "a\0b"])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(LayoutError, match="expected a path below the directory"):
        plan.parse("/shared", {path: {"directory": True}})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("text", "expected a mapping"),
        ({}, "found none"),
        ({"mode": "0644"}, "found none"),
        ({"content": "", "link": "x"}, "found content, link"),
        ({"content": "", "owner": "x"}, "owner is none of these"),
        ({"content": None}, "content is None"),
        ({"directory": False}, "expected true"),
        ({"absent": "yes"}, "expected true"),
        ({"link": "/etc/passwd"}, "does not leave the directory"),
        ({"link": "../../x"}, "does not leave the directory"),
        ({"link": "x/../../../y"}, "does not leave the directory"),
        ({"link": ""}, "does not leave the directory"),
        ({"link": "x", "mode": "0644"}, "link takes no mode"),
        ({"content": "", "mode": 420}, "mode is 420, expected permissions in quotes"),
        ({"content": "", "mode": "u+x"}, "expected permissions"),
        ({"content": "", "mode": "4755"}, "expected permissions"),
        ({"content": "", "once": "yes"}, "once is 'yes', expected true"),
        ({"directory": True, "once": True}, "once is True, expected true, and a content"),
    ],
)
def test_entries_that_are_refused(given: Any, said: str) -> None:
    with pytest.raises(LayoutError) as caught:
        plan.parse("/shared", {"at/place": given})
    assert said in str(caught.value)


def test_a_link_may_lead_anywhere_below_the_directory() -> None:
    assert [entry.target for entry in plan.parse("/shared", {"a/b/c": {"link": "../../d/./e"}})] == ["../../d/./e"]


def test_files_and_links_take_each_others_place_and_directories_stay() -> None:
    file, link, directory, absent = (Entry("x", kind) for kind in (FILE, LINK, DIRECTORY, ABSENT))
    for entry in (file, link, absent):
        assert [plan.objection(entry, Seen(kind)) for kind in (ABSENT, FILE, LINK)] == ["", "", ""]
        assert "there is a directory" in plan.objection(entry, Seen(DIRECTORY))
        assert "neither a file nor a directory" in plan.objection(entry, Seen(OTHER))
    assert [plan.objection(directory, Seen(kind)) for kind in (ABSENT, DIRECTORY)] == ["", ""]
    assert "there is a link, and the plan has a directory" in plan.objection(directory, Seen(LINK))


@pytest.mark.parametrize(
    ("entry", "seen", "wanted"),
    [
        (Entry("x", FILE, 0o644, b"a"), Seen(FILE, 0o644, ROOT, b"a"), False),
        (Entry("x", FILE, 0o644, b"a"), Seen(FILE, 0o644, ROOT, b"ab"), True),
        (Entry("x", FILE, 0o644, b"a"), Seen(FILE, 0o600, ROOT, b"a"), True),
        (Entry("x", FILE, 0o644, b"a"), Seen(FILE, 0o644, (1000, 0), b"a"), True),
        (Entry("x", FILE, 0o644, b"a"), Seen(ABSENT), True),
        (Entry("x", DIRECTORY, 0o755), Seen(DIRECTORY, 0o755, ROOT), False),
        (Entry("x", DIRECTORY, 0o755), Seen(DIRECTORY, 0o1777, ROOT), True),
        (Entry("x", LINK, target="a"), Seen(LINK, 0, ROOT, target="a"), False),
        (Entry("x", LINK, target="a"), Seen(LINK, 0, ROOT, target="b"), True),
        (Entry("x", FILE, 0o644, b"a", once=True), Seen(FILE, 0o600, (1000, 0), b"b"), False),
        (Entry("x", FILE, 0o644, b"a", once=True), Seen(ABSENT), True),
        (Entry("x", ABSENT), Seen(ABSENT), False),
        (Entry("x", ABSENT), Seen(FILE, 0o644, (1000, 0), b"a"), True),
    ],
)
def test_what_has_to_be_done(entry: Entry, seen: Seen, wanted: bool) -> None:
    assert plan.differs(entry, seen, ROOT) is wanted


def test_a_difference_shows_texts_links_and_modes_and_no_large_file() -> None:
    large = b"x" * (plan.SHOWN + 1)
    shown = plan.difference(
        "/shared",
        [
            (Entry("a", FILE, 0o644, b"new\n"), Seen(FILE, 0o600, ROOT, b"old\n")),
            (Entry("b", FILE, 0o644, large), Seen(ABSENT)),
            (Entry("c", LINK, target="a"), Seen(ABSENT)),
        ],
    )
    assert [(one["before"], one["after"]) for one in shown] == [
        ("file 0600\nold\n", "file 0644\nnew\n"),
        ("", "file 0644\nmore than 100000 bytes\n"),
        ("", "link to a\n"),
    ]
    assert shown[0]["after_header"] == "/shared/a (after)"
