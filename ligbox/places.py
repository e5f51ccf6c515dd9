"""Where our files are: those that we ship, and those that we make.

In a checkout both stand in its folder. Installed (`pip install .`), what we ship stands in this
package, and what we make in the state folder of the user (XDG Base Directory Specification 0.8).
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def base_folder(package: Path = _PACKAGE) -> tuple[Path, bool]:
    """(the folder of what we make, whether this is a checkout)."""
    if (package.parent / "manage.py").is_file():
        return package.parent, True
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():  # a relative one is to be ignored, as if it were not set
        state = Path.home() / ".local/state"
    return state / "ligbox-audit", False


BASE_DIR, CHECKOUT = base_folder()
DATA_DIR = BASE_DIR / "data" if CHECKOUT else BASE_DIR
COMMAND = "manage.py" if CHECKOUT else "ligbox-audit"  # as a person types it
SHIPPED = BASE_DIR if CHECKOUT else _PACKAGE  # templates, static files, translations
