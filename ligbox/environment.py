"""Reading settings from the environment or a `.env` file; a wrong value stops the start with one line that names it."""

import contextlib
import os
import secrets
import sys
import tempfile
from ipaddress import ip_address, ip_network
from pathlib import Path

from cryptography.fernet import Fernet
from environs import Env, EnvError

env = Env()


def refuse(name, why):
    """Stop the start: one line that names the setting."""
    sys.exit(f"Setting {name}: {why}")


def read_file(path):
    """Read a `.env` file into the environment, which goes before it; there need not be one."""
    try:
        if path.exists():
            env.read_env(str(path), recurse=False)
    except (OSError, ValueError, IndexError) as error:  # ValueError: not UTF-8
        sys.exit(f"The file {path} can't be read: {getattr(error, 'strerror', None) or error}")


def read(kind, name, default=None, *, lowest=None, highest=None):
    """The setting `name`, read as `kind` (a method of environs.Env: str, int, bool, list …)."""
    try:
        value = getattr(env, kind)(name, default)
    except EnvError as error:
        return refuse(name, str(error).removeprefix(f'Environment variable "{name}" '))
    if lowest is not None and not value >= lowest:  # so that no NaN passes
        return refuse(name, f"{value} is too small; at least {lowest}.")
    if highest is not None and value > highest:
        return refuse(name, f"{value} is too large; at most {highest}.")
    return value


def dns_servers(name):
    """A list of `address` or `address:port` (`[v6]:port`) as (address, port) pairs."""
    servers = []
    for text in filter(None, (part.strip() for part in read("list", name, []))):
        host, port = text, "53"
        if text.startswith("["):
            host, _, rest = text[1:].partition("]")
            port = rest.removeprefix(":") or "53"
        elif text.count(":") == 1:
            host, port = text.split(":")
        try:
            ip_address(host)
            number = int(port)
        except ValueError:
            return refuse(name, f"{text!r} is not an address or address:port.")
        if not 0 < number < 65536:
            return refuse(name, f"{text!r} has no valid port.")
        servers.append((host, number))
    return tuple(servers)


def networks(name):
    """A list of networks in CIDR form."""
    found = []
    for text in filter(None, (part.strip() for part in read("list", name, []))):
        try:
            found.append(ip_network(text))
        except ValueError as error:
            return refuse(name, f"{text!r} is not a network such as 10.10.10.0/24 ({error}).")
    return tuple(found)


def contact(name):
    """A mail address or URL that can stand in a comment of a User-Agent header (RFC 9110 section 5.6.5)."""
    value = read("str", name, "").strip()
    if not all("!" <= char <= "~" and char not in "()\\" for char in value) or len(value) > 200:
        return refuse(name, f"{value!r} is not a mail address or URL of plain characters.")
    return value


def secret_key(name, *, production, data_dir):
    """The key from the environment; in development one is made on the first start and kept in the data folder."""
    value = read("str", name, None)
    if value is not None:
        if len(value.strip()) < 32:
            return refuse(name, "it is empty or too short; give at least 50 random characters.")
        return value
    if production:
        return refuse(name, "it is required in production (DEBUG is off or ALLOWED_HOSTS is set).")
    path = Path(data_dir) / "secret_key"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _keep_once(path, secrets.token_urlsafe(64))
        return path.read_text(encoding="ascii").strip() or refuse(name, f"{path} is empty; delete it to have a new key made.")
    except (OSError, UnicodeError) as error:
        return refuse(name, f"no key is set and none can be kept in {path}: {getattr(error, 'strerror', None) or error}.")


def _keep_once(path, text):
    """Write a file for its owner's eyes that nobody ever sees half written; of two that do it at once, one wins."""
    handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        Path(new).unlink()


def fernet_keys(name):
    """A list of Fernet keys."""
    keys = [key for key in (part.strip() for part in read("list", name, [])) if key]
    for key in keys:
        try:
            Fernet(key)
        except ValueError:
            return refuse(name, "one of them is not a Fernet key (32 random bytes as url-safe base64).")
    return keys


def queue_address(name):
    """The address of a Redis server, with time limits where it names none: one that is out of reach must not hold a request."""
    value = read("str", name, "").strip()
    if value and not value.startswith(("redis://", "rediss://", "unix://")):
        return refuse(name, "it is not an address such as redis://127.0.0.1:6379/0.")
    for option, seconds in (("socket_connect_timeout", 3), ("socket_timeout", 10)):
        if value and f"{option}=" not in value:
            value += f"{'&' if '?' in value else '?'}{option}={seconds}"
    return value
