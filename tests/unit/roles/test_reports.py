"""What the roles say is for people, whatever callback shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROLES = Path(__file__).parents[3] / "roles"


@pytest.mark.parametrize("file", sorted(ROLES.glob("*/tasks/**/*.yml")), ids=lambda file: str(file.relative_to(ROLES)))
def test_a_report_is_a_list_of_lines(file: Path) -> None:
    """AWX and Ansible's own callback show a text of several lines as one, with ``\\n`` in it."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip().startswith("msg:") and ".txt.j2" in line:
            assert ".splitlines()" in line
