"""Auth files, as podman and docker write them."""

from __future__ import annotations

import base64
import json

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._containers import logins
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError

ONE, TWO = (base64.b64encode(text).decode() for text in (b"me:one", b"me:t:wo"))


def test_the_login_of_the_longest_path_counts() -> None:
    known = {"r.io": ONE, "r.io/lab": TWO, "https://index.docker.io/v1/": ONE}
    assert logins.chosen(known, "r.io", "lab/a") == TWO
    assert logins.chosen(known, "r.io", "labs/a") == ONE
    assert logins.chosen(known, "docker.io", "library/ubuntu") == ONE
    assert logins.chosen(known, "r.io.example", "lab/a") == ""
    assert logins.chosen({"https://x.io": TWO}, "x.io", "a") == TWO


def test_an_auth_file_is_read() -> None:
    text = json.dumps({"auths": {"a": {"auth": ONE}, "b": {"username": "me", "password": "t:wo"}, "c": {}}})
    assert logins.read(text, "it") == {"a": ONE, "b": TWO}
    assert logins.auths(logins.file({"a": ONE})) == {"a": ONE}
    assert logins.auths(json.loads(logins.file({"a": ONE}))) == {"a": ONE}
    assert logins.auths("") == logins.auths(None) == {}
    assert logins.pair(TWO, "it") == ("me", "t:wo")


@pytest.mark.parametrize("text", ["", "s3cret", '{"auths": "s3cret"}', '["s3cret"]', '{"auths": {"s3cret": 3}}'])
def test_what_is_no_auth_file_is_not_repeated(text: str) -> None:
    with pytest.raises(PetalError, match="it holds no login") as raised:
        logins.read(text, "it")
    assert "s3cret" not in str(raised.value)


def test_a_helper_is_not_asked_and_that_is_said() -> None:
    with pytest.raises(PetalError, match="credHelpers"):
        logins.read('{"auths": {"a": {}}, "credsStore": "x"}', "it")


@pytest.mark.parametrize("auth", ["!", base64.b64encode(b"nobody").decode(), base64.b64encode(b"\xff:x").decode()])
def test_what_is_no_login(auth: str) -> None:
    with pytest.raises(PetalError, match="the login for lab cannot be read"):
        logins.pair(auth, "lab")
