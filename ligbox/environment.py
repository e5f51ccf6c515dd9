"""Reading settings from the environment or a `.env` file; a wrong value stops the start with one line that names it."""

import secrets
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

from environs import Env, EnvError

env = Env()


def refuse(name, why):
    """Stop the start: one line that names the setting."""
    sys.exit(f"Setting {name}: {why}")


def read(kind, name, default=None, *, lowest=None):
    """The setting `name`, read as `kind` (a method of environs.Env: str, int, bool, list …)."""
    try:
        value = getattr(env, kind)(name, default)
    except EnvError as error:
        return refuse(name, str(error).removeprefix(f'Environment variable "{name}" '))
    if lowest is not None and value < lowest:
        return refuse(name, f"{value} is too small; at least {lowest}.")
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
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="ascii") as file:
            path.chmod(0o600)
            file.write(secrets.token_urlsafe(64))
    except FileExistsError:
        pass
    except OSError as error:
        return refuse(name, f"no key is set and none can be kept in {path}: {error.strerror}.")
    return path.read_text(encoding="ascii").strip() or refuse(name, f"{path} is empty; delete it to have a new key made.")
