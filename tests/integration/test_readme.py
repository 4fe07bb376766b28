"""What README shows a newcomer, as it stands there: the first seed from its check to its end."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import blocks, blocks_of
from playing import ANSIBLE_PLAYBOOK, ROOT, environment, leftovers

HERE = "tests/integration/test_readme.py"


@pytest.fixture
def seed(tmp_path: Path) -> Iterator[Path]:
    """README's seed, in a directory of its own; and nothing of it is left where it is mounted."""
    (shown,) = (block for block in blocks("README.md") if block.lines[0] == "# my.yaml")
    path = tmp_path / "my.yaml"
    path.write_text("\n".join(shown.lines))
    assert not Path("/software").exists(), "something is at /software, where README's seed is mounted"
    yield path
    # delete_cluster unmounts it, and leaves the empty directory.
    if Path("/software").exists():
        Path("/software").rmdir()


def run(commands: str, cwd: Path) -> str:
    """Run lines of README as they stand, in one shell; its output. Raises AssertionError where one fails."""
    path = f"{ANSIBLE_PLAYBOOK.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=cwd,
        env=environment(PATH=path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def as_nobody(commands: str) -> str:
    """Run lines in a new login shell of an ordinary user; what they print."""
    login = ["runuser", "--login", "--shell", "/bin/bash", "nobody", "--command", commands]
    return subprocess.run(login, capture_output=True, text=True, check=True).stdout.strip()


def test_the_first_seed_as_the_readme_has_it(store: Path, seed: Path) -> None:
    """Only two things differ: the clone's environment is named where README's reader is in it, and the store is one
    of the test's own."""
    test = f"{HERE}::test_the_first_seed_as_the_readme_has_it"
    begin, use, change, end = ["\n".join(block.commands) for block in blocks_of("README.md", test)]

    def there(commands: str) -> str:
        """The commands for a reader who is in another directory than the clone, with another store."""
        in_the_clone = commands.replace(". .venv/bin/activate", f". {ROOT}/.venv/bin/activate")
        return re.sub(r"^(ansible-playbook .*)$", rf"\1 -e store={store}", in_the_clone, flags=re.MULTILINE)

    try:
        said = run(there(begin), seed.parent)
        assert [word in said for word in ("my-stack: valid", "Built: snap-", "1 of 1 checks passed")] == [True] * 3, (
            said
        )
        assert as_nobody(use).startswith("2.2.")
        # Up to the last command, which goes back.
        *forward, back = change.splitlines()
        run(there("\n".join(forward)), seed.parent)
        assert as_nobody(use).startswith("2.3.")
        run(there(back), seed.parent)
        assert as_nobody(use).startswith("2.2.")
    finally:
        said = run(there(end), seed.parent)
    # The seed's snapshot as it was at the end; the first one is still there.
    assert said.count("Deleted ") == 1, said
    assert len(list(store.glob("snapshots/snap-*"))) == 1
    assert leftovers(store) == []
