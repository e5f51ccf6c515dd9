"""A message through Apprise, if it is installed: in a process of its own, which ends in time and
knows nothing of ours."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from audit.fields import UnreadableSecret
from audit.models import Notification
from audit.notify import layout
from audit.notify.outcome import Outcome, without
from audit.notify.words import Message
from collectors.text import clean

SECONDS = 30  # for the whole of one try
CHILD = Path(__file__).with_name("apprise_child.py")
_KEPT = ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_SCHEME = re.compile(r"([a-zA-Z0-9]+)://[!-~]+")


def problem_of(url: str) -> str:
    """Why this address can't be used, in a sentence; '' for one that can be tried."""
    found = _SCHEME.fullmatch(url)
    if found is None or len(url) > 2000:
        return _("Give one address of Apprise, such as ntfys://ntfy.example.com/topic.")
    if not settings.NOTIFY_APPRISE_SCHEMES:
        return _("Apprise is off: name the schemes that may be used in NOTIFY_APPRISE_SCHEMES.")
    if found[1].lower() not in settings.NOTIFY_APPRISE_SCHEMES:
        return _("%(scheme)s:// is not one of NOTIFY_APPRISE_SCHEMES (%(allowed)s).") % {
            "scheme": found[1].lower(),
            "allowed": ", ".join(settings.NOTIFY_APPRISE_SCHEMES),
        }
    if find_spec("apprise") is None:
        return _("Apprise is not installed: pip install -r requirements-apprise.txt.")
    return ""


def send(row: Notification, message: Message) -> Outcome:
    """Have Apprise send the text; what it complains of is told, without the address."""
    url = row.channel.url
    if isinstance(url, UnreadableSecret):
        return Outcome(False, _("No key in ENCRYPTION_KEYS opens its address or secret."))
    if why := problem_of(url):
        return Outcome(False, why)
    asked = {"url": url, "title": message.subject, "body": layout.text(message, greeting=False)}
    try:
        child = subprocess.run(  # noqa: S603 - our own file
            [sys.executable, "-I", str(CHILD)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            check=False,
        )
        answer = json.loads(child.stdout)
    except subprocess.TimeoutExpired:
        text = _("The service did not answer within %(seconds)d seconds.")
        return Outcome(False, text % {"seconds": SECONDS})
    except (OSError, ValueError):
        return Outcome(False, _("Apprise ended without an answer."))
    if answer["sent"]:
        return Outcome(True, _("The service took it."))
    if answer["said"] == "address":
        return Outcome(False, _("Apprise does not understand the address."))
    said = clean(without(url, " ".join(answer["said"].split())), 300)
    return Outcome(False, _("The service did not take it: %(said)s") % {"said": said or "?"})
