"""Who may import whom. Walks the syntax trees, so that an import inside a function counts too."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STANDARD = set(sys.stdlib_module_names)
COLLECTORS_MAY = {
    "dns",
    "httpx",
    "h11",
    "h2",
    "cryptography",
    "idna",
    "publicsuffixlist",
    "certifi",
}
FACES = {"web", "api", "admin", "management"}
# audit, from the top: a level imports levels below it and itself.
AUDIT = [
    {"urls", "apps"},
    FACES,
    {"tasks"},
    {"notify"},
    {"access", "queue", "reading"},
    {"results", "system_checks", "templatetags"},
    {"models"},
    {"validators", "fields"},
]
# collectors, from the top; the rooms of one level never import each other.
COLLECTORS = [
    {"run"},
    {"registry", "causes"},
    {"vm112", "dns", "webmail"},
    {"server"},
    {"authoritative"},
    {"net"},
    {"standards", "panels"},
    {"names"},
    {"base", "titles"},
    {"text"},
    {"stored"},
]
ROOMLESS = {"__init__", "tasks", "apps", "urls", "system_checks", "validators", "fields"}


def modules(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "migrations" not in path.parts:
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield path.relative_to(ROOT), name.removesuffix(".__init__")


def imports(path, module):
    """Every module that a file imports, as absolute dotted names."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse((ROOT / path).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def tops(path, module):
    return {name.split(".")[0] for name in imports(path, module)}


def room(name, top):
    """The room of `top` that a dotted name lies in: `audit.api.routes` → `api`; None elsewhere."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == top else None


def upward(top, levels):
    """Every import of `top` that leads upwards, or sideways between rooms of one level."""
    level_of = {name: n for n, names in enumerate(levels) for name in names}
    for path, module in modules(top):
        own = room(module, top)
        if own is None:
            continue
        assert own in level_of, f"{path} stands in no room"
        for name in imports(path, module):
            other = room(name, top)
            if other in level_of and other != own and level_of[other] <= level_of[own]:
                yield f"{path} ({own}) imports {name} ({other})"


def test_audit_imports_downwards_only_and_faces_never_import_each_other():
    assert list(upward("audit", AUDIT)) == []


def test_collectors_import_downwards_only():
    assert list(upward("collectors", COLLECTORS)) == []


def test_no_module_stands_outside_a_room():
    assert {p.stem for p in (ROOT / "audit").glob("*.py")} <= ROOMLESS


def test_the_imports_have_no_circle():
    """Also between two modules of one room, and where an import is made late."""
    known = {m: p for top in ("collectors", "audit", "ligbox") for p, m in modules(top)}
    edges = {
        module: {n for n in imports(path, module) if n in known and n != module}
        for module, path in known.items()
    }
    # `from audit.admin import domains` names the package too: what counts is the module meant.
    for module, targets in edges.items():
        named = {t for t in targets if any(o.startswith(t + ".") for o in targets)}
        edges[module] = targets - named
    done: set[str] = set()

    def walk(module, trail):
        assert module not in trail, " → ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for target in sorted(edges[module]):
                walk(target, [*trail, module])
            done.add(module)

    for module in sorted(edges):
        walk(module, [])


def test_collectors_know_no_django_and_nothing_of_ours():
    for path, module in modules("collectors"):
        strange = tops(path, module) - STANDARD - COLLECTORS_MAY - {"collectors"}
        assert not strange, f"{path} imports {strange}"


def test_only_the_portal_client_and_its_transport_know_httpx():
    for path, module in modules("collectors"):
        if path.name not in ("portal_client.py", "portal_transport.py"):
            assert not tops(path, module) & {"httpx", "httpcore", "h11"}, path


def test_the_mock_tenant_is_reached_by_configuration_only():
    for path, module in modules("mock_tenant"):
        assert not tops(path, module) & {"audit", "collectors", "ligbox", "django"}, path
    for folder in ("audit", "collectors", "ligbox"):
        for path, module in modules(folder):
            if path.name != "mock_tenant.py":
                assert "mock_tenant" not in tops(path, module), path


def test_storing_and_scoring_look_at_nothing():
    for name in ("audit/results/store.py", "audit/results/scoring.py"):
        path = Path(name)
        module = name.removesuffix(".py").replace("/", ".")
        used = {n for n in imports(path, module) if n.startswith("collectors") and n.count(".")}
        allowed = ("collectors.base", "collectors.registry", "collectors.stored")
        assert all(n.startswith(allowed) for n in used), used


def test_every_room_says_what_belongs_there():
    for top in ("collectors", "audit"):
        for path in (ROOT / top).rglob("__init__.py"):
            if "migrations" not in path.parts:
                text = ast.get_docstring(ast.parse(path.read_text()))
                assert text, f"{path.relative_to(ROOT)} has no sentence"
