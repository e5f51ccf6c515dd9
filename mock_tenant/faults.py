"""Faults of the whole server, switched on and off while the company runs.

Which there are stands in company.toml; which are on, one a line in a file of the company's folder,
that is read whenever it changes.
"""

import threading
from pathlib import Path

EVERY = 0.3  # seconds between two looks at the file


class Faults:
    """The faults that are on. `on_change`: called with their names, first when it starts."""

    def __init__(self, folder, known, on_change=lambda names: None):
        self.path, self.known, self._on_change = Path(folder) / "faults", known, on_change
        self.on: frozenset[str] = frozenset()
        self._stopped = threading.Event()

    def read(self):
        """The names in the file that are known; none where there is no file."""
        try:
            return frozenset(self.path.read_text(encoding="utf-8").split()) & frozenset(self.known)
        except OSError:
            return frozenset()

    def switch(self, name, *, on):
        """Write the file with this fault on or off."""
        names = self.read() | {name} if on else self.read() - {name}
        self.path.write_text("".join(f"{n}\n" for n in sorted(names)), encoding="utf-8")

    def start(self):
        """Begin to look; what is on already is so at once."""
        self._look()
        threading.Thread(target=self._watch, daemon=True, name="Faults").start()
        return self

    def stop(self):
        self._stopped.set()

    def _watch(self):
        while not self._stopped.wait(EVERY):
            self._look()

    def _look(self):
        now = self.read()
        if now != self.on:
            self.on = now
            self._on_change(now)
