"""What a job of AWX is given, and whether a secret that it gives away would be seen."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml
from awx_site import Ended, extra_variables, given_away

KEY = "-----BEGIN KEY-----\nAbCdEf0123456789\nGhIjKl0123456789==\n-----END KEY-----\n"
SECRETS = {"key": KEY, "token": "glpat-0123"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-----BEGIN KEY-----", []),
        ("url: https://petal:glpat-0123@host/", ["token"]),
        (json.dumps({"content": KEY}), ["key"]),
        ("only GhIjKl0123456789== of it", ["key"]),
        (json.dumps({"content": base64.b64encode(KEY.encode()).decode()}), ["key"]),
        (base64.b64encode(b"glpat-0123").decode(), ["token"]),
    ],
)
def test_a_secret_is_seen_in_whatever_form(text: str, expected: list[str]) -> None:
    assert given_away(text, SECRETS) == expected


def test_what_people_say_is_no_template_for_ansible(tmp_path: Path) -> None:
    path = tmp_path / "extravars"
    extra_variables(path, {"store": "{{ at }}"}, {"seed": "a: {{ b }}\nc: 1\n", "deep": {"list": ["x", 1]}})
    text = path.read_text()
    assert "store: '{{ at }}'" in text
    assert text.count("!unsafe") == 5

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))  # type: ignore[arg-type]
    read = yaml.load(text, Loader)
    assert read == {"store": "{{ at }}", "seed": "a: {{ b }}\nc: 1\n", "deep": {"list": ["x", 1]}}
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_job_hands_on_is_of_its_last_event() -> None:
    events = (
        json.dumps({"event": "playbook_on_start", "event_data": {}}),
        json.dumps({"event": "playbook_on_stats", "event_data": {"artifact_data": {"petal_hit": True}}}),
    )
    ended = Ended("build", "successful", 1.0, events, "out", "facts")
    assert ended.artifacts == {"petal_hit": True}
    assert ended.size == sum(map(len, events))
    assert set(ended.kept) == {"events", "stdout", "facts"}
