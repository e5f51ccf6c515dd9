"""For WSGI servers."""

import os

import django
from django.core.handlers.wsgi import WSGIHandler

os.umask(0o077)  # what we write is ours alone
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ligbox.settings")
django.setup(set_prefix=False)

from ligbox.unreadable import Request  # noqa: E402 - Django is set up now


class Handler(WSGIHandler):
    """Django's, with requests of ours."""

    request_class = Request


application = Handler()
