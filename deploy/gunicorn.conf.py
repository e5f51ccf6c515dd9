"""gunicorn's settings, for the units, the image, scripts/start.sh and the tests alike.

What differs from place to place stands on the command line: `--bind`, and for more processes the
environment's WEB_CONCURRENCY. Requests are not logged here (the address of a customer's report is
a key): nginx does it, without queries and keys.
"""

from pathlib import Path

wsgi_app = "ligbox.wsgi"
bind = "127.0.0.1:8000"
worker_class = "gthread"
threads = 8
graceful_timeout = 20  # seconds for what is being answered when it is asked to stop
# A heartbeat that waits for a busy disk would have a healthy process killed.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
control_socket_disable = True  # nobody stops it but who started it
logger_class = "ligbox.web_log.Logger"  # what a client sends stands escaped in the log
# Django alone reads what a proxy says, as PROXIES allows: no header is believed on the way to it.
secure_scheme_headers = {}
forwarder_headers = ""
