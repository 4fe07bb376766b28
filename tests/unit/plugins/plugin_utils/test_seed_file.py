"""Reading a seed from disk: what is read, and that nothing hostile gets through or hangs."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import Problem, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Unquoted
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_file


def parse(text: str | bytes) -> Any:
    return seed_file.parse_seed(text.encode() if isinstance(text, str) else text, "x.yaml").data


def fault(text: str | bytes) -> Problem:
    """The one problem of a text that is no seed."""
    with pytest.raises(SeedError) as caught:
        parse(text)
    assert caught.value.source == "x.yaml"
    return caught.value.problems[0]


def test_plain_data() -> None:
    assert parse("a: {b: [1, -2, 1.5, true, no, null, ~, text, '1', \"x\\ty\"]}\nc: |\n  two\n  lines\n") == {
        "a": {"b": [1, -2, 1.5, True, False, None, None, "text", "1", "x\ty"]},
        "c": "two\nlines\n",
    }


def test_a_byte_order_mark_is_no_harm() -> None:
    assert parse(b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_templates_and_vaults_stay_text() -> None:
    assert parse("a: \"{{ lookup('pipe', 'id') }}\"\nb: '$(id)'") == {"a": "{{ lookup('pipe', 'id') }}", "b": "$(id)"}


def test_places() -> None:
    source = seed_file.parse_seed(b"a:\n  b:\n    - 3.10\n    - c: yes\n", "x").source
    assert source.lines[("a", "b", 0)] == 3
    assert source.lines[("a", "b", 1, "c")] == 4
    assert source.texts[("a", "b", 0)] == "3.10"
    assert source.texts[("a", "b", 1, "c")] == "yes"
    assert source.line(("a", "b", 1, "c", "unknown")) == 4


@pytest.mark.parametrize(
    ("text", "reads_as"),
    [
        ("2026-01-01", "a date"),
        ("2026-01-01 10:00:00", "a date"),
        ("12:30", "a number of base"),
        ("0x1f", "a number of base"),
        ("010", "a number of base"),
        ("1_000", "a number of base"),
        (".inf", "a number"),
        (".nan", "a number"),
        ("1.0e+400", "a number"),
        ("9" * 5000, "a huge number"),
        ("=", "="),
    ],
)
def test_scalars_that_json_has_not(text: str, reads_as: str) -> None:
    value = parse(f"a: {text}")["a"]
    assert isinstance(value, Unquoted)
    assert value.text == text
    assert value.reads_as.startswith(reads_as)


def test_aliases_and_merges() -> None:
    text = "a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\nd: {<<: [*x, {r: 4}]}\n"
    assert parse(text) == {
        "a": {"p": 1, "q": 2},
        "b": {"p": 1, "q": 2},
        "c": {"q": 3, "p": 1},
        "d": {"p": 1, "q": 2, "r": 4},
    }


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("", "it is empty", None, None),
        ("# nothing\n", "it is empty", None, None),
        ("a: [1\nb: 2\n", "no valid YAML", 2, 2),
        ("a: 1\n\tb: 2\n", "no valid YAML", 2, 1),
        ("a: 'x", "no valid YAML", 1, 6),
        ("a: @x", "no valid YAML", 1, 4),
        ("a: 1\n---\nb: 2\n", "one YAML document", 2, 1),
        ("a: *b", "no anchor before it", 1, 4),
        ("a: &x [*x]", "holds itself", 1, 8),
        ("&x a: {b: &y [*y]}", "holds itself", 1, 15),
        ("a: !!python/object/apply:os.system ['id']", "tags are not allowed", 1, 4),
        ("a: !vault x", "tags are not allowed", 1, 4),
        ("a: !!binary aGk=", "tags are not allowed", 1, 4),
        ("!!set {a}", "tags are not allowed", 1, 1),
        ("a: 1\nb: 2\na: 3\n", "this key stands on line 1 already", 3, 1),
        ("a: 1\n1: 2\n", "a key must be a text", 2, 1),
        ("yes: 1", "a key must be a text", 1, 1),
        ("? [a]\n: 1", "a key must be a text", 1, 3),
        ("a: {<<: 1}", "<< wants a mapping", 1, 5),
        ("[" * 51 + "]" * 51, "more than 50 levels", 1, 51),
        ("a: \x07", "U+0007 is not allowed", 1, None),
        (b"a: \xff", "not UTF-8", 1, None),
        ("a: 1".encode("utf-16"), "not UTF-8", 1, None),
        ("%YAML 9.9\n---\na: 1", "no valid YAML", 1, 1),
    ],
    ids=str,
)
def test_refused(text: str | bytes, message: str, line: int | None, column: int | None) -> None:
    problem = fault(text)
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column)


def test_fifty_levels_are_allowed() -> None:
    parse("[" * 50 + "]" * 50)


def test_all_duplicate_keys_are_reported() -> None:
    with pytest.raises(SeedError) as caught:
        parse("a: {x: 1, x: 2}\nb: 1\nb: 2\n")
    assert [problem.path for problem in caught.value.problems] == ["a.x", "b"]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 40))


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        MERGES,
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 100_000,
        "? " * 100_000,
        "&a " * 100_000,
        "a: " + "x" * 1_000_000,
        "a: '" + "''" * 400_000,
        "- a\n" * 200_000,
        "#" * 1_000_000,
        "\n" * 1_000_000,
        "a: |\n" + " x\n" * 300_000,
        "a" * 1_000_000 + ": 1",
        "[" + "a," * 300_000,
        "a: " + "1" * 1_000_000,
        "%" * 100_000,
        "!" * 500_000,
        "a: *" + "b" * 500_000,
        "'a': " * 50_000,
        "a: [" + "\n" * 500_000,
        "\ufeff" * 100_000,
    ],
    ids=lambda text: text[:6].strip() or "space",
)
def test_nothing_hangs(text: str) -> None:
    start = time.process_time()
    try:
        parse(text)
    except SeedError as error:
        assert len(str(error)) < 1000
    assert time.process_time() - start < 5


@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!|>'\"%@`#,? \n\t1.~<=", max_size=80).map(str.encode))
def test_any_bytes_are_data_or_a_seed_error(content: bytes) -> None:
    try:
        seed_file.parse_seed(content)
    except SeedError as error:
        assert str(error)


# -- files ------------------------------------------------------------------------------------------------------


def unreadable(path: str | Path) -> str:
    with pytest.raises(SeedError) as caught:
        seed_file.read_seed_file(path)
    return caught.value.problems[0].message


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "seed file.yaml"
    path.write_text("a: 1")
    document = seed_file.read_seed_file(path)
    assert document.data == {"a": 1}
    assert document.source.file == str(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert unreadable(tmp_path) == "it is a directory"
    assert unreadable(tmp_path / "none") == "there is no such file"
    assert unreadable("a\0b").startswith("it cannot be read")
    assert unreadable("x" * 5000).startswith("it cannot be read")
    assert unreadable("/dev/zero") == "it is no regular file"


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert unreadable(tmp_path / "pipe") == "it is no regular file"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert unreadable(tmp_path / "socket").startswith("it cannot be read")


def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert unreadable(tmp_path / "loop").startswith("it cannot be read")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a: 1")
    path.chmod(0)
    assert unreadable(path).startswith("it cannot be read")


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    assert unreadable(path) == "it is larger than 1024 KiB"
