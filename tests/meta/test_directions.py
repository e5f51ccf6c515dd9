"""Who may import whom. Walks the syntax trees, so that an import inside a function counts too."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STANDARD = set(__import__("sys").stdlib_module_names)
COLLECTORS_MAY = {"dns", "httpx", "httpcore", "cryptography", "idna", "publicsuffixlist", "certifi"}
FACES = {"views", "api", "webhooks", "metrics", "admin", "management"}


def modules(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.relative_to(ROOT), ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path, module):
    """Every module that a file imports, as absolute dotted names."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join(parts[: len(parts) - node.level + 1] + ([node.module] if node.module else []))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def tops(path, module):
    return {name.split(".")[0] for name in imports(path, module)}


def test_collectors_know_no_django_and_nothing_of_ours():
    for path, module in modules("collectors"):
        strange = tops(path, module) - STANDARD - COLLECTORS_MAY - {"collectors"}
        assert not strange, f"{path} imports {strange}"


def test_only_the_two_clients_speak_http():
    for path, module in modules("collectors"):
        if path.name not in ("net_http.py", "net_portal.py"):
            assert not tops(path, module) & {"httpx", "httpcore"}, path


def test_the_mock_tenant_is_reached_by_configuration_only():
    for path, module in modules("mock_tenant"):
        assert not tops(path, module) & {"audit", "collectors", "ligbox", "django"}, path
    for folder in ("audit", "collectors", "ligbox"):
        for path, module in modules(folder):
            if path.name != "mock_tenant.py":
                assert "mock_tenant" not in tops(path, module), path


def face(name):
    """The face that a module of ours belongs to: `audit.api.runs` → `api`; None for the rooms below."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "audit" and parts[1] in FACES else None


def test_faces_never_import_each_other():
    for path, module in modules("audit"):
        own = face(module)
        if own:
            others = {face(name) for name in imports(path, module)} - {None, own}
            assert not others, f"{path} imports the face {others}"


def test_what_is_below_the_faces_does_not_import_them():
    for path, module in modules("audit"):
        if face(module) is None and path.name not in ("urls.py", "apps.py") and "tests" not in path.parts:
            above = {face(name) for name in imports(path, module)} - {None}
            assert not above, f"{path} imports the face {above}"


def test_storing_and_scoring_look_at_nothing():
    for name in ("audit/store.py", "audit/scoring.py"):
        path = Path(name)
        module = name.removesuffix(".py").replace("/", ".")
        used = {n for n in imports(path, module) if n.startswith("collectors") and n.count(".")}
        assert all(n.startswith("collectors.base") for n in used), used
