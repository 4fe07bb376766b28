"""What make house takes for the name of a variable."""

from __future__ import annotations

import house
import pytest


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        ("region", {"region"}),
        ("s3_region", {"s3_region"}),
        ("store | default('/var/lib/petal')", {"store"}),
        ("spack_instance.root is defined", {"spack_instance"}),
        ("region == 'us-east-1'", {"region"}),
        ("lookup('ansible.builtin.env', 'HOME', default='/')", set()),
        ("lookup('ansible.builtin.env', 'HOME', default = home)", {"home"}),
    ],
)
def test_a_name_is_read_where_it_is_no_filter_test_key_text_or_name_of_an_argument(
    expression: str, read: set[str]
) -> None:
    assert house.names_read(expression) == read
