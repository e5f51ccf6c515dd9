"""What must stay the same from one start to the next: DKIM keys, the portal's token, the webhook
secret. Made once, kept."""

import base64
import json
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SIZES = {"key": 2048, "old_key": 2048, "short_key": 1024}


def load(folder):
    """{"dkim": {name: base64 of the p= tag}, "portal_token", "webhook_secret"} of a folder, made
    if it has none."""
    path = Path(folder) / "secrets.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["dkim"].keys() == SIZES.keys() and kept["portal_token"] and kept["webhook_secret"]:
            return kept
    except (OSError, ValueError, KeyError, AttributeError):
        pass  # none yet, or not ours any more: made anew
    made = {
        "dkim": {name: _public_key(bits) for name, bits in SIZES.items()},
        "portal_token": secrets.token_urlsafe(24),
        "webhook_secret": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
    }
    write_private(path, json.dumps(made, indent=1))
    return made


def private_folder(path):
    """Make a folder that its owner alone can look into."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_private(path, text):
    """Write a file that its owner alone can read; it is there as a whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    temporary.replace(path)


def _public_key(bits):
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()
