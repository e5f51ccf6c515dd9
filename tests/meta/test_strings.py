"""Sentences in Python can be found by makemessages: it does not look into f-strings."""

import ast

from tests.meta.source import ROOT, called


def test_no_sentence_hides_in_an_f_string():
    for folder in ("audit", "collectors", "ligbox"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    calls = {called(n) for n in ast.walk(node) if isinstance(n, ast.Call)}
                    assert not calls & {"_", "gettext", "pgettext", "ngettext"}, (
                        f"{path}:{node.lineno}"
                    )
