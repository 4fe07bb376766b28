# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._host.user_cache_api import (
    keep_newest,
    replace_file,
    user_cache,
)


@pytest.mark.parametrize(
    ("named", "wanted"),
    [("/scratch/cache", "/scratch/cache"), ("", "/home/ada/.cache"), ("cache", "/home/ada/.cache")],
)
def test_the_cache_is_where_the_user_says_with_an_absolute_path(
    monkeypatch: pytest.MonkeyPatch, named: str, wanted: str
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert user_cache() == Path(wanted)


def test_a_file_is_replaced_with_its_permissions_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text("before")
    replace_file(file, b"after\r\n", 0o640)
    assert file.read_bytes() == b"after\r\n"
    assert file.stat().st_mode & 0o7777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_replaced_stays_and_no_draft_does(tmp_path: Path) -> None:
    place = tmp_path / "a directory"
    (place / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_file(place, b"", 0o600)
    assert list(tmp_path.iterdir()) == [place]


def test_the_newest_files_stay(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.touch()
    files[0].unlink()  # another run has cleared up as well
    keep_newest(files, 1)
    assert list(tmp_path.iterdir()) == [files[-1]]
