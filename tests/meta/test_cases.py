"""The fault list and the tests name each other."""

import ast
import re

from tests.meta.source import ROOT

# Cases that no test names. The list only gets shorter.
WITHOUT_TEST: set[int] = set()


def cases_of_tests():
    """{case number: a test that names it}.

    From docstrings such as "Cases 44, 46: …" or "Cases 3 to 7.".
    """
    found = {}
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                text = ast.get_docstring(node) or ""
                for part in re.findall(r"\bcases? (\d[\d, ]*(?:(?:to|and) \d+)*)", text, re.I):
                    numbers = [int(n) for n in re.findall(r"\d+", part)]
                    if " to " in part and len(numbers) == 2:
                        numbers = list(range(numbers[0], numbers[1] + 1))
                    found.update(
                        dict.fromkeys(numbers, f"{path.name}: {getattr(node, 'name', '')}")
                    )
    return found


def cases_of_the_list():
    text = (ROOT / "docs/threat-model.md").read_text()
    return {int(n) for n in re.findall(r"^(\d+)\. ", text[text.index("## Cases") :], re.M)}


def test_a_test_names_cases_that_the_list_has():
    unknown = {n: test for n, test in cases_of_tests().items() if n not in cases_of_the_list()}
    assert unknown == {}


def test_every_case_of_the_list_is_named_by_a_test():
    assert cases_of_the_list() - set(cases_of_tests()) == WITHOUT_TEST
