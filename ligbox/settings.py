"""Settings. Everything comes from the environment or a file `.env` in the folder of what we make
(ligbox.places): beside manage.py, or, installed, in the state folder.

docs/settings.md lists all of it.
"""

import base64
import hashlib
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import dj_database_url

from ligbox import VERSION
from ligbox.environment import (
    authorities,
    block_lists,
    contact,
    dns_servers,
    fernet_keys,
    host_names,
    keep_private,
    mail_address,
    mail_server,
    networks,
    origins,
    queue_address,
    read,
    read_file,
    refuse,
    schemes,
    secret_key,
    site_hosts,
    site_url,
)
from ligbox.places import BASE_DIR, COMMAND, DATA_DIR, SHIPPED

__all__ = ["COMMAND", "VERSION"]  # for those who show them

read_file(BASE_DIR / ".env")

# -- the kind of installation

DEBUG = read("bool", "DEBUG", False)
ALLOWED_HOSTS = site_hosts("ALLOWED_HOSTS")
# Without ALLOWED_HOSTS the site answers on loopback alone: that is development. Naming hosts, or
# DEBUG=0, is production.
PRODUCTION = not DEBUG and (bool(ALLOWED_HOSTS) or read("str", "DEBUG", "") != "")
if not ALLOWED_HOSTS:
    ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
SECRET_KEY = secret_key("SECRET_KEY", production=PRODUCTION, data_dir=DATA_DIR)
# Portal tokens and webhook secrets are encrypted with these (Fernet keys; the first one encrypts,
# all decrypt).
ENCRYPTION_KEYS = fernet_keys("ENCRYPTION_KEYS") or [
    base64.urlsafe_b64encode(
        hashlib.sha256(b"ligbox-audit fields " + SECRET_KEY.encode()).digest()
    ).decode()
]

# -- Django

# Its page about the API. As an app it would be imported by every command, which takes 0.15 s.
NINJA = Path(str(find_spec("ninja").origin)).parent  # type: ignore[union-attr] # it is required
INSTALLED_APPS = [
    "ligbox.apps.Administration",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",  # its templates, which ours may replace
    "django_htmx",
    "csp",
    "django_q",
    "audit",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "ligbox.probes.answer_probes",  # and from here on, no Host but ours
    "ligbox.unreadable.leave_out",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "audit.access.admission.Admission",
    "audit.access.hashing.BusyAnswer",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "ligbox.urls"
WSGI_APPLICATION = "ligbox.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [SHIPPED / "templates", NINJA / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ]
        },
    }
]

FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

DATABASE_URL = read("str", "DATABASE_URL", "") or f"sqlite:///{DATA_DIR / 'ligbox.sqlite3'}"
try:
    DATABASES = {
        "default": dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True)
    }
except (dj_database_url.ParseError, dj_database_url.UnknownSchemeError, ValueError):
    refuse(
        "DATABASE_URL",
        "it is not a database address such as sqlite:///data/ligbox.sqlite3 or "
        "postgres://user:password@host/name.",
    )
if DATABASES["default"].get("ENGINE") not in (
    "django.db.backends.sqlite3",
    "django.db.backends.postgresql",
):
    refuse("DATABASE_URL", "only SQLite (sqlite:///…) and PostgreSQL (postgres://…) are supported.")
if not DATABASES["default"]["NAME"]:
    refuse("DATABASE_URL", "it names no database: postgres://user:password@host/name.")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    if PRODUCTION and DATABASES["default"]["NAME"] == ":memory:":
        refuse("DATABASE_URL", "it names no file: each process would have a database of its own.")
    if Path(DATABASES["default"]["NAME"]).is_dir():
        refuse("DATABASE_URL", "it names a folder: sqlite:////var/lib/ligbox/ligbox.sqlite3.")
    try:
        keep_private(Path(DATABASES["default"]["NAME"]))
    except OSError as error:
        refuse("DATABASE_URL", f"its folder can't be made: {error.strerror}.")
    DATABASES["default"][
        "OPTIONS"
    ] = {  # WAL and IMMEDIATE: readers never wait, and writers queue instead of failing
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
        "PRAGMA temp_store=MEMORY;"
        "PRAGMA mmap_size=134217728;PRAGMA journal_size_limit=27103364;PRAGMA cache_size=2000",
    }
else:  # nobody waits for a row that somebody else forgot to let go, and we forget none
    _options = DATABASES["default"].setdefault("OPTIONS", {})
    _options.setdefault("connect_timeout", 10)
    _options["options"] = (
        "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s "
        + _options.get("options", "")
    ).strip()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = queue_address("REDIS_URL")
# Counters of throttles live in the cache: shared through Redis, else one set per web process.
_LOCAL = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "OPTIONS": {"MAX_ENTRIES": 20_000},
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"serializer": "ligbox.cache_values.Json"},
    }
    if REDIS_URL
    else _LOCAL,
    "process": {**_LOCAL, "LOCATION": "process"},  # what each web process counts for itself
}

# One hash takes a processor for a quarter of a second: a few at once in each process, no more.
PASSWORD_HASHERS = ["audit.access.hashing.BoundedHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"

LANGUAGES = [("pt", "Português"), ("pt-br", "Português (Brasil)"), ("en", "English")]
LANGUAGE_CODE = read("str", "LANGUAGE_CODE", "en")
if LANGUAGE_CODE not in dict(LANGUAGES):
    refuse("LANGUAGE_CODE", f"{LANGUAGE_CODE!r} is not one of {', '.join(dict(LANGUAGES))}.")
LOCALE_PATHS = [SHIPPED / "locale"]
TIME_ZONE = read("str", "TIME_ZONE", "Europe/Lisbon")
try:
    ZoneInfo(TIME_ZONE)
except (KeyError, ValueError, OSError):
    refuse("TIME_ZONE", f"{TIME_ZONE!r} is not a time zone such as Europe/Lisbon.")
USE_TZ = True
FORMAT_MODULE_PATH = ["ligbox.formats"]
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o755  # collected files are for a web server's eyes too
STATICFILES_DIRS = [SHIPPED / "static", NINJA / "static"]
if PRODUCTION:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
WHITENOISE_USE_FINDERS = not PRODUCTION  # before collectstatic there is nothing else to serve from
WHITENOISE_AUTOREFRESH = not PRODUCTION
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = [
    "map",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "webp",
    "zip",
    "gz",
    "woff",
    "woff2",
    "br",
]

# -- browser safety

HTTPS = read("bool", "HTTPS", PRODUCTION)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz\Z", r"^readyz\Z", r"^metrics\Z"]
# For this host alone: what other names below it, or a list in browsers, say is for its owner to
# decide. The deploy check would have both.
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
# Every cookie of the site: nobody reads it but us, and under https no other host can set it
# (RFC 6265bis section 4.1.3.2).
_HOST = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_HOST}sessionid", f"{_HOST}csrftoken"
LANGUAGE_COOKIE_NAME = f"{_HOST}django_language"
SEEN_COOKIE_NAME, DEVICE_COOKIE_NAME = f"{_HOST}seen", f"{_HOST}device"
VIEW_COOKIE_NAME = f"{_HOST}view"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no cookie of its own
SESSION_IDLE_MINUTES = read("int", "SESSION_IDLE_MINUTES", 60, lowest=5, highest=60 * 24 * 30)
SESSION_HOURS = read("int", "SESSION_HOURS", 12, lowest=1, highest=24 * 90)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
SECOND_FACTOR = read("str", "SECOND_FACTOR", "off")
if SECOND_FACTOR not in ("off", "superusers", "staff"):
    refuse("SECOND_FACTOR", f"{SECOND_FACTOR!r} is not one of off, superusers, staff.")
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CSRF_TRUSTED_ORIGINS = origins("CSRF_TRUSTED_ORIGINS")
# How many reverse proxies stand in front: their X-Forwarded-For and X-Forwarded-Proto are believed,
# nobody else's.
PROXIES = read("int", "PROXIES", 0, lowest=0)
if PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
_SELF = ["'self'"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": _SELF,
        "style-src": _SELF,
        "img-src": ["'self'", "data:"],
        "font-src": _SELF,
        "connect-src": _SELF,
        "form-action": _SELF,
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = (
    5_500  # the admin's page that asks before 5,000 domains are removed names each
)

# -- audits

AUDIT_INTERVAL_SEC = read("int", "AUDIT_INTERVAL_SEC", 600, lowest=30, highest=30 * 86400)
AUDIT_CHECK_TIMEOUT_SEC = read("float", "AUDIT_CHECK_TIMEOUT_SEC", 10.0, lowest=1, highest=90)
AUDIT_DOMAIN_TIMEOUT_SEC = read("float", "AUDIT_DOMAIN_TIMEOUT_SEC", 30.0, lowest=1, highest=90)
AUDIT_DNS_SERVERS = dns_servers("AUDIT_DNS_SERVERS")
AUDIT_RESOLVER_PROBE = host_names("AUDIT_RESOLVER_PROBE", ["."])
AUDIT_DNS_CACHE_SEC = read("int", "AUDIT_DNS_CACHE_SEC", 600, lowest=0, highest=7 * 86400)
AUDIT_CONCURRENCY = read("int", "AUDIT_CONCURRENCY", 32, lowest=1, highest=1000)
AUDIT_WORKERS = read("int", "AUDIT_WORKERS", 1, lowest=1, highest=64)
AUDIT_ALLOWED_NETWORKS = networks("AUDIT_ALLOWED_NETWORKS")
AUDIT_CONTACT = contact("AUDIT_CONTACT")
AUDIT_DNSBLS = block_lists("AUDIT_DNSBLS")
AUDIT_SMTP = read("bool", "AUDIT_SMTP", False)
AUDIT_SMTP_PORT = read("int", "AUDIT_SMTP_PORT", 25, lowest=1, highest=65535)
AUDIT_AUTHORITATIVE_PORT = read("int", "AUDIT_AUTHORITATIVE_PORT", 53, lowest=1, highest=65535)
AUDIT_RETENTION_DAYS = read("int", "AUDIT_RETENTION_DAYS", 90, lowest=1, highest=36500)
AUDIT_CONFIRM = read("int", "AUDIT_CONFIRM", 2, lowest=1, highest=10)
AUDIT_GRACE_DAYS = read("int", "AUDIT_GRACE_DAYS", 7, lowest=0, highest=365)
AUDIT_TRAIL_DAYS = read("int", "AUDIT_TRAIL_DAYS", 365, lowest=1, highest=36500)
AUDIT_RUNS_PER_MINUTE = read(
    "int", "AUDIT_RUNS_PER_MINUTE", 30, lowest=1
)  # manual audits that one caller may ask for
AUDIT_REQUESTS_PER_SECOND = read(
    "int", "AUDIT_REQUESTS_PER_SECOND", 50, lowest=1
)  # of the API, by one caller, over ten seconds
# `GET /metrics`: whether programs on this machine need no token, and of how many domains it tells
# one by one
METRICS_LOOPBACK = read("bool", "METRICS_LOOPBACK", True)
METRICS_DOMAINS = read("int", "METRICS_DOMAINS", 0, lowest=0, highest=20_000)
AUDIT_PORTAL_PATHS = {
    "carbonio": read("str", "AUDIT_PORTAL_CARBONIO_PATH", "/api/v1/domains/{domain}/carbonio"),
    "nginx": read("str", "AUDIT_PORTAL_NGINX_PATH", "/api/v1/domains/{domain}/nginx"),
    "certificate": read(
        "str", "AUDIT_PORTAL_CERTIFICATE_PATH", "/api/v1/domains/{domain}/certificate"
    ),
    "domains": read("str", "AUDIT_PORTAL_DOMAINS_PATH", "/api/v1/domains"),
}
for _kind, _path in AUDIT_PORTAL_PATHS.items():
    if not _path.startswith("/") or (("{domain}" in _path) == (_kind == "domains")):
        _holds = "does not hold" if _kind == "domains" else "holds"
        refuse(
            f"AUDIT_PORTAL_{_kind.upper()}_PATH",
            f"{_path!r} is not a path that starts with / and {_holds} {{domain}}.",
        )
AUDIT_CA_FILE = authorities("SSL_CERT_FILE")

# -- telling people

SITE_URL = site_url("SITE_URL", hosts=ALLOWED_HOSTS, https=HTTPS)
_MAIL = mail_server("EMAIL_URL")
EMAIL_BACKEND = "audit.notify.smtp.Backend"
EMAIL_HOST = _MAIL.get("HOST", "")  # '': no mail is sent, and channels say so
EMAIL_PORT = _MAIL.get("PORT", 25)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.get("HOST_USER", ""), _MAIL.get("HOST_PASSWORD", "")
EMAIL_USE_SSL, EMAIL_USE_TLS = _MAIL.get("USE_SSL", False), _MAIL.get("USE_TLS", False)
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = SERVER_EMAIL = (
    mail_address("EMAIL_FROM", required=bool(_MAIL)) or "ligbox-audit@localhost"
)
NOTIFY_ALLOWED_NETWORKS = networks("NOTIFY_ALLOWED_NETWORKS")
NOTIFY_APPRISE_SCHEMES = schemes("NOTIFY_APPRISE_SCHEMES")

# -- django-q2: two kinds of process, many short tasks; a task is only a bell (the domain rows are
# the queue)

_WORKERS = AUDIT_WORKERS + 1  # one stays free for ticks and events while the others drain
DRAIN_SECONDS = 60  # how long one drain task works before it rings the next one
Q_CLUSTER = {
    "name": "ligbox",
    "workers": _WORKERS,
    "queue_limit": 2 * _WORKERS,
    "bulk": 1,
    "poll": 0.5,
    "timeout": 180,
    "retry": 180 * (2 + 2) + 60,  # timeout × (queue_limit / workers + 2), and a little
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": -1,  # rows of its own tables are pruned with ours
    "time_zone": "UTC",  # elsewhere its scheduler spins on the night that has an hour twice
    "recycle": 500,
    "guard_cycle": 1,
    "label": "django-q2",
    "ALT_CLUSTERS": {},
}
if REDIS_URL:
    Q_CLUSTER["redis"] = REDIS_URL
    Q_CLUSTER["broker_class"] = "audit.queue.broker.PatientRedis"
else:
    Q_CLUSTER["orm"] = "default"

DEFAULT_EXCEPTION_REPORTER = "ligbox.debug_pages.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "ligbox.debug_pages.Filter"
LOGGING_CONFIG = "ligbox.logs.configure"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "ligbox.logs.OneLine",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "filters": {
        "seldom": {"()": "ligbox.logs.RateLimitFilter"},
        "strangers": {"()": "ligbox.logs.StrangersFilter"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["strangers"]},
        "queue": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["seldom"]},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "django-q": {"handlers": ["queue"], "level": "WARNING", "propagate": False},
        "audit.management.commands.worker": {
            "handlers": ["queue"],
            "level": "INFO",
            "propagate": False,
        },
    },
}
