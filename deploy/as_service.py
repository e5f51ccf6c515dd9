"""Runs a command as a systemd unit would: as its user, in its folder, with its settings.

    as_service.py --unit FILE [--folder DIR] [--pass NAME] -- COMMAND …

`--folder` is another folder than the unit's; `--pass` hands on a variable of the caller's
environment; nothing else of it is, but the terminal.
Needs root (the settings hold keys that only root may read) and nothing but Python.
"""

import argparse
import grp
import os
import pwd
import re
import sys
from pathlib import Path

KEPT = ("PATH", "TERM", "LANG", "LC_ALL", "COLUMNS")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.S)
_QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^'"\\]+)""", re.S)


def read_unit(path, instance=""):
    """The [Service] section of a unit: a list of values for each name, in order (systemd.unit(5);
    an empty value forgets those before it). `%i` becomes `instance`."""
    section, values = "", {}
    for line in _lines(Path(path).read_text(encoding="utf-8")):
        if line.startswith("["):
            section = line.strip("[]")
        elif section == "Service":
            name, _, value = line.partition("=")
            value = value.strip().replace("%i", instance)
            if value:
                values.setdefault(name.strip(), []).append(value)
            else:
                values[name.strip()] = []
    return values


def read_environment(path):
    """The variables of an EnvironmentFile (systemd.exec(5)): quotes and backslashes are undone,
    lines that are none are passed over. Raises OSError."""
    found = {}
    for line in _lines(Path(path).read_text(encoding="utf-8")):
        if match := _VARIABLE.fullmatch(line):
            found[match[1]] = _unquoted(match[2].strip())
    return found


def environment_of(unit, passed=()):
    """What a process of this unit finds in its environment."""
    user = pwd.getpwnam(_last(unit, "User", "root"))
    found = {name: os.environ[name] for name in (*KEPT, *passed) if name in os.environ}
    found |= {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    for text in unit.get("Environment", []):
        name, _, value = text.partition("=")
        found[name] = _unquoted(value)
    for text in unit.get("EnvironmentFile", []):
        path = Path(text.removeprefix("-"))
        if path.exists() or not text.startswith("-"):
            found |= read_environment(path)
    return found


def become(unit):
    """Take on the unit's user, umask and folder, for good. Raises OSError, KeyError."""
    user = pwd.getpwnam(_last(unit, "User", "root"))
    group = grp.getgrnam(_last(unit, "Group", "")).gr_gid if unit.get("Group") else user.pw_gid
    if os.geteuid() != user.pw_uid:
        os.initgroups(user.pw_name, group)
        os.setgid(group)
        os.setuid(user.pw_uid)
    os.umask(int(_last(unit, "UMask", "0022"), 8))
    os.chdir(_last(unit, "WorkingDirectory", "/"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--unit", required=True, metavar="FILE")
    parser.add_argument("--folder")
    parser.add_argument("--pass", dest="passed", action="append", default=[], metavar="NAME")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    try:
        unit = read_unit(options.unit)
        if options.folder:
            unit["WorkingDirectory"] = [options.folder]
        environment = environment_of(unit, options.passed)
        become(unit)
        os.execvpe(options.command[0], options.command, environment)  # noqa: S606 - no shell wanted
    except PermissionError as error:
        sys.exit(f"{error.filename or 'This'} can't be used: run it as root (sudo).")
    except OSError as error:
        sys.exit(f"{error.filename or options.command[0]}: {error.strerror}")
    except KeyError as error:
        sys.exit(f"The user of {options.unit} is unknown here: {error.args[0]}")


def _lines(text):
    """Logical lines: continued ones joined, comments and blanks left out."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if (line := line.strip()) and line[0] not in "#;":
            yield line


def _unquoted(value):
    return "".join(
        single or re.sub(r"\\(.)", r"\1", double) or escaped or plain
        for single, double, escaped, plain in _QUOTED.findall(value)
    )


def _last(unit, name, default):
    return (unit.get(name) or [default])[-1]


if __name__ == "__main__":
    main()
