"""The small languages inside a seed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import TextTest

GOOD = {
    grammar.mount_dir: ["/shared", "/opt/software", "/fsx", "/usr/local/hpc", "/a/b_c-1.2+x", "/home/shared", "/mnt/x"],
    grammar.bucket: ["lab-data", "abc", "a.b-c.d1", "1" * 63],
    grammar.object_prefix: ["", "bio", "a/b/c", "team_1/x.y"],
    grammar.git_ref: ["v1.1.0", "develop", "releases/v1.1", "0" * 40, "feature/x+y"],
    grammar.image: [
        "registry/bio:v1",
        "ubuntu",
        "docker://example.org:5000/lab/tools:1.2",
        "example.org/a/b@sha256:" + "0" * 64,
        "oras://example.org/a__b/c-d:x_Y.1",
    ],
    grammar.plain_requirement: [
        "scipy",
        "numpy >=1.26, <3",
        "requests[socks,security]>=2",
        "x (>=1)",
        "x==1!2.0+local.1",
        'x @ https://example.org/x.whl ; python_version < "3.11"',
    ],
    grammar.duration: ["12h", "90m", "1h30m", "7d", "60s", "3600s"],
    grammar.cache_prefix: ["", "/", "bio", "/bio", "bio/", "/a/b/c/"],
    grammar.registry_url: [
        "https://example.org/petal/",
        "file:///srv/registry",
        "https://example.org:8443",
        "lab/petal-snapshots",
        "lab/petal-snapshots/v2",
        "https://github.com/lab/petal-snapshots",
    ],
}
BAD = {
    grammar.mount_dir: [
        "shared",
        "/",
        "/opt",
        "/usr",
        "/var",
        "/etc",
        "/tmp",
        "/srv",
        "/mnt",
        "/home",
        "/etc/x",
        "/usr/bin/x",
        "/proc/1",
        "/shared/",
        "/a//b",
        "/a/../b",
        "/a/./b",
        "/a b",
        "/a;b",
        "/a$b",
        "/.hidden",
        "/-a",
        "/a'b",
        "/usr/lib64",
    ],
    grammar.bucket: ["ab", "A-b", "a_b", "-ab", "ab-", "a..b", "a.-b", "192.168.1.1", "xn--ab", "x" * 64, "ab-s3alias"],
    grammar.object_prefix: ["/bio", "bio/", "a//b", "..", "a/../b", "a b", "a$b"],
    grammar.cache_prefix: ["/a//b", "/..", "/a b", "/a$b"],
    grammar.git_ref: ["-x", "a..b", "a b", "a~1", "a^", "a:b", "a.lock", "a/", "/a", "a//b", "a;b", "--upload-pack=x"],
    grammar.image: ["", "Registry/Bio", "a b", "a:b:c", "https://x/y", "a@sha256:12", "-a", "a/../b", "$(id)", "a//b"],
    grammar.plain_requirement: [
        "-r other.txt",
        "--index-url=https://x",
        "-e .",
        "./local",
        "wheels/x.whl",
        "a b",
        "x @ ssh://host/x",
        "x @ ./wheels/x.whl",
        "x @ https://user:password@host/x",
        "x @ http://host/x",
        'x @ https://host/x;python_version<"3"',
        "numpy==1\n--pre",
        "x; os_name == 'a'\n--pre",
        "$(id)",
        "x[",
        "é",
    ],
    grammar.duration: ["", "12", "h", "12 h", "12w", "-1h", "1.5h", "59s", "8d", "0h"],
    grammar.registry_url: [
        "http://example.org",
        "https://",
        "https://user:pw@example.org",
        "file://relative",
        "file:///a/../b",
        "ftp://x",
        "https://example.org/a b",
        "https://exa mple.org",
        "https://-x.org/",
        "javascript:alert(1)",
        "/srv/registry",
        "lab",
        "../registry",
        "lab/..",
        "-x/y",
        "lab/petal snapshots",
        "lab/petal/main/snapshots",
    ],
}


@pytest.mark.parametrize(("test", "text"), [(test, text) for test, texts in GOOD.items() for text in texts])
def test_good(test: TextTest, text: str) -> None:
    assert test(text) is None


@pytest.mark.parametrize(("test", "text"), [(test, text) for test, texts in BAD.items() for text in texts])
def test_bad(test: TextTest, text: str) -> None:
    assert test(text)


@pytest.mark.parametrize("test", list(GOOD))
@given(text=st.text(max_size=60))
def test_nothing_makes_a_check_fail(test: TextTest, text: str) -> None:
    test(text)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("NumPy == 2.2.*", "numpy==2.2.*"),
        ("zope.interface_x", "zope-interface-x"),
        ("a [ y , X ] >= 1 , < 2", "a[x,y]<2,>=1"),
        ("a (>=1)", "a>=1"),
        ("x @ https://example.org/x.whl", "x@https://example.org/x.whl"),
        ("x;python_version<'3.12'and os_name=='a b'", 'x;python_version < "3.12" and os_name == "a b"'),
    ],
)
def test_one_form_for_a_requirement(text: str, form: str) -> None:
    assert grammar.canonical_requirement(text) == form
    assert grammar.canonical_requirement(form) == form


RAW = "https://raw.githubusercontent.com"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("lab/petal-snapshots", f"{RAW}/lab/petal-snapshots/main"),
        ("lab/petal-snapshots/v2", f"{RAW}/lab/petal-snapshots/v2"),
        ("https://github.com/lab/petal-snapshots/", f"{RAW}/lab/petal-snapshots/main"),
        ("https://github.com/lab/petal.snapshots.git", f"{RAW}/lab/petal.snapshots/main"),
        ("https://github.com/lab/petal-snapshots/tree/next", f"{RAW}/lab/petal-snapshots/next"),
        (f"{RAW}/lab/petal-snapshots/main", f"{RAW}/lab/petal-snapshots/main"),
        ("https://example.org/lab/petal", "https://example.org/lab/petal"),
        ("file:///srv/registry", "file:///srv/registry"),
    ],
)
def test_a_registry_on_github_is_read_as_raw_files(text: str, address: str) -> None:
    assert grammar.registry_address(text) == address
    assert grammar.registry_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "numpy==2.2.6",
        "numpy ( == 2.2.6 )",
        "numpy>=2,==2.2.6",
        "numpy[x]===2.2.6; python_version < '3.12'",
        "tool @ git+https://example.org/tool.git@" + "0" * 40,
        "tool @ https://example.org/tool.whl#sha256=" + "0" * 64,
    ],
)
def test_requirements_with_one_answer(text: str) -> None:
    assert grammar.plain_requirement(text) is None
    assert grammar.requirement_is_pinned(text)


@pytest.mark.parametrize(
    "text",
    [
        "numpy",
        "numpy>=2",
        "numpy==2.2.*",
        "numpy~=2.2.6",
        "numpy!=2.2.6",
        "numpy<=2",
        "tool @ git+https://example.org/tool.git@main",
        "tool @ https://example.org/tool.whl",
    ],
)
def test_requirements_that_move(text: str) -> None:
    assert grammar.plain_requirement(text) is None
    assert not grammar.requirement_is_pinned(text)


def test_seconds() -> None:
    assert grammar.duration_seconds("1h30m") == 5400
    assert grammar.duration_seconds("soon") is None


@pytest.mark.parametrize("test", list(GOOD))
@pytest.mark.parametrize("piece", ["a", "-", "a-", "a.", "/a", "a,", "<", "(", "1h", " ", "x;a<b", "a and "])
def test_no_text_takes_long(test: TextTest, piece: str) -> None:
    """Checks stay quick where a careless regular expression would try for ever."""
    start = time.process_time()
    for beginning in ("", "x", "x;", "https://", "/"):
        test(beginning + piece * (1000 // len(piece)) + "!")
    assert time.process_time() - start < 1
