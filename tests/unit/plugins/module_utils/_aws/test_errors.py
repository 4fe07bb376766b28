"""What AWS's errors become."""

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.errors import explain


@pytest.mark.parametrize(
    ("code", "said", "message"),
    [
        ("", "Could not connect to\n the endpoint.", "launching: Could not connect to the endpoint."),
        ("Strange", "No", "launching: Strange: No."),
        ("AuthFailure", "No.", "launching: AuthFailure: No. Check the credentials and that the Region is enabled"),
    ],
)
def test_one_sentence_each(code: str, said: str, message: str) -> None:
    error = explain("launching", code, said)
    assert str(error).startswith(message)
    assert error.code == code
