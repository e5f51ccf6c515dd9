"""The product's settings; but what is collected for the tests' web server lies in its folder."""

import os

from ligbox import settings

globals().update({name: value for name, value in vars(settings).items() if name.isupper()})
STATIC_ROOT = os.environ["TEST_STATIC_ROOT"]
if os.environ.get("WEB_HASHER") == "quick":  # the real hash is slow on purpose
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
