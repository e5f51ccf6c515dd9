"""Reading settings from the environment or a `.env` file.

A wrong value stops the start with one line that names it.
"""

import contextlib
import os
import re
import secrets
import ssl
import stat
import sys
import tempfile
from collections.abc import Callable
from email.utils import parseaddr
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.fernet import Fernet
from dotenv import load_dotenv

from collectors.names import is_host_name

MAX_LISTS = 8  # DNS block lists that are asked, once an interval

_TRUE, _FALSE = {"1", "true", "yes", "on", "y", "t"}, {"0", "false", "no", "off", "n", "f"}


def refuse(name, why):
    """Stop the start: one line that names the setting."""
    sys.exit(f"Setting {name}: {why}")


def read_file(path):
    """Read a `.env` file into the environment, which goes before it; there need not be one."""
    try:
        if path.exists():
            load_dotenv(path)
    except (OSError, ValueError, IndexError) as error:  # ValueError: not UTF-8
        sys.exit(f"The file {path} can't be read: {getattr(error, 'strerror', None) or error}")


def read(kind, name, default=None, *, lowest=None, highest=None):
    """The setting `name`, read as `kind`: str, int, float, bool or list (of what commas divide)."""
    text = os.environ.get(name)
    convert, what = _KINDS[kind]
    try:
        value = default if text is None else convert(text)
    except ValueError:
        return refuse(name, f"{text!r} is not {what}.")
    if lowest is not None and not value >= lowest:  # so that no NaN passes
        return refuse(name, f"{value} is too small; at least {lowest}.")
    if highest is not None and value > highest:
        return refuse(name, f"{value} is too large; at most {highest}.")
    return value


def _bool(text):
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(word)
    return word in _TRUE


_KINDS: dict[str, tuple[Callable[[str], Any], str]] = {  # how to read it, what it must be
    "str": (str, ""),
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "bool": (_bool, "1 or 0"),
    "list": (lambda text: text.split(",") if text else [], ""),
}


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


_NAME = r"[a-z0-9_-]+(\.[a-z0-9_-]+)*"
_HOST = re.compile(rf"\*|\.?{_NAME}|\[[0-9a-f:.]+\]", re.I)
_ORIGIN = re.compile(rf"https?://((\*\.)?{_NAME}|\[[0-9a-f:.]+\])(:[0-9]{{1,5}})?", re.I)


def site_hosts(name):
    """The names that the site answers to, as requests have them: another would never fit one."""
    found = [part.strip() for part in read("list", name, []) if part.strip()]
    for text in found:
        if not _HOST.fullmatch(text):
            return refuse(
                name,
                f"{text!r} is not a host name such as audit.example.com: no scheme, port, path or "
                "quotes, commas between several, and what is not ASCII as xn--….",
            )
    return found


def origins(name):
    """A list of origins (RFC 6454): scheme, host and perhaps a port."""
    found = [part.strip() for part in read("list", name, []) if part.strip()]
    for text in found:
        if not _ORIGIN.fullmatch(text):
            return refuse(
                name,
                f"{text!r} is not an origin such as https://audit.example.com: each begins with "
                "its scheme, and nothing follows the host and port.",
            )
    return found


def authorities(name):
    """A file of certificate authorities (PEM) beside the system's; '' for none."""
    path = read("str", name, "")
    if path and not Path(path).is_file():
        return refuse(name, f"there is no file {path!r}.")
    try:
        if path:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # of which ssl.SSLError is one
        said = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        return refuse(name, f"{path!r} can't be used: {said}.")
    return path


def host_names(name, default):
    """A list of host names, or `.` for the root, each of which DNS can be asked for."""
    found = [part.strip() for part in read("list", name, default) if part.strip()]
    for text in found:
        if text != "." and not is_host_name(text):
            return refuse(name, f"{text!r} is not a host name.")
    return tuple(found)


def block_lists(name):
    """A list of names of DNS block lists, as many as are asked."""
    names = host_names(name, [])
    if "." in names:
        return refuse(name, "'.' is not a list.")
    found = tuple(dict.fromkeys(n.lower().removesuffix(".") for n in names))
    if len(found) > MAX_LISTS:
        return refuse(name, f"{len(found)} lists are too many; at most {MAX_LISTS}.")
    return found


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
    """A mail address or URL that can stand in a comment of a User-Agent header (RFC 9110 section
    5.6.5)."""
    value = read("str", name, "").strip()
    if not all("!" <= char <= "~" and char not in "()\\" for char in value) or len(value) > 200:
        return refuse(name, f"{value!r} is not a mail address or URL of plain characters.")
    return value


def secret_key(name, *, production, data_dir):
    """The key from the environment.

    In development one is made on the first start and kept in the data folder.
    """
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
        return path.read_text(encoding="ascii").strip() or refuse(
            name, f"{path} is empty; delete it to have a new key made."
        )
    except (OSError, UnicodeError) as error:
        return refuse(
            name,
            f"no key is set and none can be kept in {path}: "
            f"{getattr(error, 'strerror', None) or error}.",
        )


def keep_private(database):
    """Make the folder of an SQLite database, and take from others the right to read what is in it.

    Portal tokens, customers' findings and sessions stand there. A folder that was there before
    keeps its mode, and so does what is somebody else's, or no database at all: an address may be
    mistyped. Raises OSError where the folder can't be made.
    """
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _is_database(database):
        return
    for path in (database, *(Path(f"{database}{end}") for end in ("-wal", "-shm"))):
        try:
            found = path.stat()
        except OSError:
            continue
        if found.st_uid == os.geteuid() and found.st_mode & 0o077:
            path.chmod(0o600)


def _is_database(path):
    """Whether this file is SQLite's, or still empty (its file format, section 1.3)."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return file.read(16) in (b"", b"SQLite format 3\0")
    except OSError:
        return False


def _keep_once(path, text):
    """Write a file for its owner's eyes that nobody ever sees half written.

    Of two that do it at once, one wins.
    """
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
            return refuse(
                name, "one of them is not a Fernet key (32 random bytes as url-safe base64)."
            )
    return keys


def queue_address(name):
    """The address of a Redis server, with time limits where it names none: one that is out of
    reach must not hold a request."""
    value = read("str", name, "").strip()
    if value and not value.startswith(("redis://", "rediss://", "unix://")):
        return refuse(name, "it is not an address such as redis://127.0.0.1:6379/0.")
    try:
        _port = urlsplit(value).port
    except ValueError:  # whose text may be part of a password
        return refuse(
            name, "its port is not a number; in a password, / is written %2F, : %3A and @ %40."
        )
    for option, seconds in (("socket_connect_timeout", 3), ("socket_timeout", 10)):
        if value and f"{option}=" not in value:
            value += f"{'&' if '?' in value else '?'}{option}={seconds}"
    return value


def site_url(name, *, hosts, https):
    """Where people find the site, without a slash at the end, for links in messages.

    By default the first of ALLOWED_HOSTS that is a whole name.
    """
    value = read("str", name, "").strip().rstrip("/")
    if not value:
        host = next((h for h in hosts if h.strip(".*") == h), "localhost")
        local = host in ("localhost", "127.0.0.1", "[::1]")
        return f"http://{host}:8000" if local else f"http{'s' if https else ''}://{host}"
    try:
        parts = urlsplit(value)
        bad = (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.username is not None
            or parts.query
            or parts.fragment
            or parts.port == 0
            or not _ORIGIN.fullmatch(f"{parts.scheme}://{parts.netloc}")
        )
    except ValueError:
        bad = True
    if bad or not all("!" <= char <= "~" for char in value) or len(value) > 200:
        return refuse(name, f"{value!r} is not an address such as https://audit.example.com.")
    return value


def mail_server(name):
    """How mail is sent, as Django's EMAIL_* settings without that prefix; {} where it is not.

    `smtp://` uses STARTTLS, except to loopback or with `?starttls=no`; `smtps://` is TLS from the
    start.
    """
    value = read("str", name, "").strip()
    if not value:
        return {}
    shape = "it is not an address such as smtp://user:password@mail.example.com:587."
    try:
        parts = urlsplit(value)
        port, host = parts.port, parts.hostname or ""
    except ValueError:  # whose text may be part of a password
        return refuse(
            name, "its port is not a number; in a password, / is written %2F, : %3A and @ %40."
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    starttls = options.pop("starttls", "")
    if (
        parts.scheme not in ("smtp", "smtps")
        or not host
        or parts.path not in ("", "/")
        or parts.fragment
        or options
        or port == 0
    ):
        return refuse(name, shape)
    if starttls not in ("", "yes", "no") or (starttls and parts.scheme == "smtps"):
        return refuse(name, "starttls is yes or no, and for smtp:// alone.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        return refuse(name, "a user name needs a password, and a password a user name.")
    if not (user + password).isascii():
        return refuse(name, "a user name and a password are of ASCII characters: no others go.")
    local = host in ("localhost", "127.0.0.1", "::1")
    implicit = parts.scheme == "smtps"
    use_tls = not implicit and (starttls == "yes" or (starttls == "" and not local))
    if user and not (implicit or use_tls or local):
        return refuse(name, "a password is not sent without TLS: leave starttls=no out.")
    return {
        "HOST": host,
        "PORT": port or (465 if implicit else 25 if local or not user else 587),
        "HOST_USER": user,
        "HOST_PASSWORD": password,
        "USE_SSL": implicit,
        "USE_TLS": use_tls,
    }


def mail_address(name, *, required):
    """A mail address, alone or with a name before it in angle brackets, that mail comes from."""
    value = read("str", name, "").strip()
    if not value and not required:
        return value
    _name, address = parseaddr(value)
    local, at, domain = address.rpartition("@")
    if (
        not (at and local and is_host_name(domain))
        or not value.isprintable()
        or not address.isascii()
        or len(value) > 200
        or (address != value and not value.endswith(f"<{address}>"))
    ):
        return refuse(
            name,
            f"{value!r} is not a mail address such as audit@example.com; it is needed with "
            "EMAIL_URL.",
        )
    return value


def schemes(name):
    """A list of URL schemes, in small letters."""
    found = [part.strip().lower() for part in read("list", name, []) if part.strip()]
    for text in found:
        if not text.isalnum() or not text.isascii():
            return refuse(name, f"{text!r} is not a scheme such as ntfys or slack.")
    return tuple(dict.fromkeys(found))
