# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the documentation site. build.sh lays its source: a copy of what Markdown files link to.

The pages are the same Markdown that people read on a code forge: no directive of Sphinx stands in them, links are
relative, and headings are their anchors.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes

project = "petal.hpc"
project_copyright = "petal.hpc contributors"
language = "en"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "index"
include_patterns = [
    "index.md",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/*.md",
    "roles/*/README.md",
    "tests/*/README.md",
    "collections/*.rst",
]
# A link to a page, a heading or a file that is not there is a warning, and the build makes warnings errors.
nitpicky = True
myst_heading_anchors = 4
# The README of a role may begin with a smaller heading than its second; its links are checked all the same.
suppress_warnings = ["myst.header"]

html_theme = "furo"
html_title = "petal.hpc"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
# Nothing of the site is loaded from elsewhere: it is read as well where there is no network.
html_theme_options = {
    "light_css_variables": {"font-stack": "system-ui, sans-serif", "font-stack--monospace": "ui-monospace, monospace"},
    "navigation_with_keys": True,
}

ANSIBLE = "https://docs.ansible.com/ansible/latest"
# The places of Ansible's own documentation that the reference of a plugin names.
ANSIBLES_LABELS = {
    "common_return_values": "reference_appendices/common_return_values.html#common-return-values",
    "ansible_configuration_settings": "reference_appendices/config.html#ansible-configuration-settings",
    "action_plugins": "plugins/action.html#action-plugins",
    "callback_plugins": "plugins/callback.html#callback-plugins",
}


def elsewhere(target: str, kind: str) -> str:
    """The address of what Ansible or another collection documents, or nothing: then the link is wrong."""
    if target in ANSIBLES_LABELS:
        return f"{ANSIBLE}/{ANSIBLES_LABELS[target]}"
    if kind == "envvar" and target.startswith("ANSIBLE_"):
        return f"{ANSIBLE}/reference_appendices/config.html#envvar-{target}"
    start, *names = target.split(".")
    if start == "ansible_collections" and len(names) >= 2 and names[:2] != ["petal", "hpc"]:
        return f"{ANSIBLE}/collections/{'/'.join([*names[:2], *(names[2:3] or ['index'])])}.html"
    return ""


def link_elsewhere(_app: Any, _environment: Any, wanted: Any, content: Any) -> nodes.reference | None:
    """What Sphinx asks for a reference whose target none of the pages has."""
    address = elsewhere(wanted["reftarget"], wanted["reftype"])
    return nodes.reference("", "", content, refuri=address, internal=False) if address else None


def setup(app: Any) -> None:
    app.connect("missing-reference", link_elsewhere)
