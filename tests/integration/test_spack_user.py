"""A short word for ``make spack-user``: what an ordinary user has of Spack on a volume that is mounted read-only."""

from __future__ import annotations

import pytest
from readonly_site import public_directory, reason_not_to
from spack_user import MOUNT_DIR, Site, trial


@pytest.mark.skipif(bool(reason_not_to()), reason=reason_not_to() or "it can be done here")
def test_an_ordinary_user_finds_loads_chooses_and_builds_on_top() -> None:
    with public_directory(MOUNT_DIR) as directory:
        site = Site(directory)
        site.build()
        last, problems = trial(site)
    assert problems == []
    assert last == "find=ok load=ok spec=ok upstream=ok as=nobody readonly=yes"
