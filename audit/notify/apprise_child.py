"""Run by itself, in a process of its own: one message through Apprise.

Reads {"url", "title", "body"} as JSON from stdin and writes {"sent", "said"} to stdout. It knows
nothing of the site: neither its settings nor its database.
"""

import json
import logging
import sys


class _Said(logging.Handler):
    """Keeps the last thing that Apprise complained of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def main() -> None:
    """Send what stdin says."""
    asked = json.load(sys.stdin)
    try:
        import apprise
    except ImportError:
        json.dump({"sent": False, "said": "missing"}, sys.stdout)
        return
    said = _Said()
    logging.getLogger("apprise").addHandler(said)
    asset = apprise.AppriseAsset(
        app_id="Ligbox Audit", app_desc="Ligbox Audit", secure_logging=True, plugin_paths=[]
    )
    # one address: `add` would take a list of them for several
    service = apprise.Apprise.instantiate(asked["url"], asset=asset)
    if service is None:
        json.dump({"sent": False, "said": "address"}, sys.stdout)
        return
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    sent = sender.notify(
        title=asked["title"], body=asked["body"], body_format=apprise.NotifyFormat.TEXT
    )
    json.dump({"sent": bool(sent), "said": said.last}, sys.stdout)


if __name__ == "__main__":
    main()
