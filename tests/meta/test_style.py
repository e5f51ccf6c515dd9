"""Diffs that can be read: one thing a line in templates and style sheets (ruff keeps Python's
lines)."""

import re

from tests.meta.source import ROOT

DJANGO = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.S)
ATTRIBUTE = re.compile(r"""[\w:@-]+(?:="[^"]*"|='[^']*')?""")


def test_a_template_has_one_attribute_a_line_where_a_tag_has_more_than_three():
    crowded = []
    for path in sorted((ROOT / "templates").rglob("*.html")):
        for number, line in enumerate(DJANGO.sub("", path.read_text()).splitlines(), 1):
            for tag in re.findall(r"<[a-zA-Z][\w-]*\s([^<>]*)>", line):
                if len(ATTRIBUTE.findall(tag)) > 3:
                    crowded.append(f"{path.name}:{number}: {line.strip()}")
    assert crowded == []


def test_a_style_sheet_has_one_declaration_a_line():
    for path in sorted((ROOT / "static/css").glob("*.css")):
        text = re.sub(r'/\*.*?\*/|"[^"]*"|url\([^)]*\)', "", path.read_text(), flags=re.S)
        crowded = [line for line in text.splitlines() if line.count(";") > 1]
        assert crowded == [], path.name
