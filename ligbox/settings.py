"""Settings. Everything comes from the environment or a `.env` file beside manage.py; docs/settings.md lists all of it."""

import base64
import hashlib
from pathlib import Path
from zoneinfo import ZoneInfo

import dj_database_url
from django.utils.translation import gettext_lazy as _

from .environment import contact, dns_servers, fernet_keys, networks, queue_address, read, read_file, refuse, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = BASE_DIR / "data"
read_file(BASE_DIR / ".env")

# -- the kind of installation

DEBUG = read("bool", "DEBUG", False)
ALLOWED_HOSTS = [h.strip() for h in read("list", "ALLOWED_HOSTS", []) if h.strip()]
# Without ALLOWED_HOSTS the site answers on loopback alone: that is development. Naming hosts, or DEBUG=0, is production.
PRODUCTION = not DEBUG and (bool(ALLOWED_HOSTS) or read("str", "DEBUG", "") != "")
if not ALLOWED_HOSTS:
    ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
SECRET_KEY = secret_key("SECRET_KEY", production=PRODUCTION, data_dir=DATA_DIR)
# Portal tokens and webhook secrets are encrypted with these (Fernet keys; the first one encrypts, all decrypt).
ENCRYPTION_KEYS = fernet_keys("ENCRYPTION_KEYS") or [
    base64.urlsafe_b64encode(hashlib.sha256(b"ligbox-audit fields " + SECRET_KEY.encode()).digest()).decode()
]

# -- Django

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "ninja",
    "django_q",
    "audit",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "ligbox.urls"
WSGI_APPLICATION = "ligbox.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    },
]

DATABASE_URL = read("str", "DATABASE_URL", "") or f"sqlite:///{DATA_DIR / 'ligbox.sqlite3'}"
try:
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True)}
except (dj_database_url.ParseError, dj_database_url.UnknownSchemeError, ValueError):
    refuse("DATABASE_URL", "it is not a database address such as sqlite:///data/ligbox.sqlite3 or postgres://user:password@host/name.")
if DATABASES["default"].get("ENGINE") not in ("django.db.backends.sqlite3", "django.db.backends.postgresql"):
    refuse("DATABASE_URL", "only SQLite (sqlite:///…) and PostgreSQL (postgres://…) are supported.")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    try:
        Path(DATABASES["default"]["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        refuse("DATABASE_URL", f"its folder can't be made: {error.strerror}.")
    DATABASES["default"]["OPTIONS"] = {  # WAL and IMMEDIATE: readers never wait, and writers queue instead of failing
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA temp_store=MEMORY;"
        "PRAGMA mmap_size=134217728;PRAGMA journal_size_limit=27103364;PRAGMA cache_size=2000",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = queue_address("REDIS_URL")
# Counters of throttles live in the cache: shared through Redis, else one set per web process.
_LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL} if REDIS_URL else _LOCAL,
    "process": {**_LOCAL, "LOCATION": "process"},  # what each web process counts for itself
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"

LANGUAGES = [("pt", _("Portuguese")), ("en", _("English"))]
LANGUAGE_CODE = read("str", "LANGUAGE_CODE", "en")
if LANGUAGE_CODE not in dict(LANGUAGES):
    refuse("LANGUAGE_CODE", f"{LANGUAGE_CODE!r} is not one of pt, en.")
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = read("str", "TIME_ZONE", "Europe/Lisbon")
try:
    ZoneInfo(TIME_ZONE)
except (KeyError, ValueError, OSError):
    refuse("TIME_ZONE", f"{TIME_ZONE!r} is not a time zone such as Europe/Lisbon.")
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
if PRODUCTION:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
WHITENOISE_USE_FINDERS = not PRODUCTION  # before collectstatic there is nothing else to serve from
WHITENOISE_AUTOREFRESH = not PRODUCTION
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ["map", "png", "jpg", "jpeg", "gif", "webp", "zip", "gz", "woff", "woff2", "br"]

# -- browser safety

HTTPS = read("bool", "HTTPS", PRODUCTION)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CSRF_TRUSTED_ORIGINS = [o.strip() for o in read("list", "CSRF_TRUSTED_ORIGINS", []) if o.strip()]
if any("://" not in origin for origin in CSRF_TRUSTED_ORIGINS):
    refuse("CSRF_TRUSTED_ORIGINS", "each begins with its scheme, such as https://audit.example.com.")
# How many reverse proxies stand in front: their X-Forwarded-For and X-Forwarded-Proto are believed, nobody else's.
PROXIES = read("int", "PROXIES", 0, lowest=0)
NINJA_NUM_PROXIES = PROXIES
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
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_500  # the admin's page that asks before 5,000 domains are removed names each

# -- audits

AUDIT_INTERVAL_SEC = read("int", "AUDIT_INTERVAL_SEC", 600, lowest=30, highest=30 * 86400)
AUDIT_CHECK_TIMEOUT_SEC = read("float", "AUDIT_CHECK_TIMEOUT_SEC", 10.0, lowest=1, highest=90)
AUDIT_DOMAIN_TIMEOUT_SEC = read("float", "AUDIT_DOMAIN_TIMEOUT_SEC", 30.0, lowest=1, highest=90)
AUDIT_DNS_SERVERS = dns_servers("AUDIT_DNS_SERVERS")
AUDIT_DNS_CACHE_SEC = read("int", "AUDIT_DNS_CACHE_SEC", 600, lowest=0, highest=7 * 86400)
AUDIT_CONCURRENCY = read("int", "AUDIT_CONCURRENCY", 32, lowest=1, highest=1000)
AUDIT_WORKERS = read("int", "AUDIT_WORKERS", 1, lowest=1, highest=64)
AUDIT_ALLOWED_NETWORKS = networks("AUDIT_ALLOWED_NETWORKS")
AUDIT_CONTACT = contact("AUDIT_CONTACT")
AUDIT_RETENTION_DAYS = read("int", "AUDIT_RETENTION_DAYS", 90, lowest=1, highest=36500)
AUDIT_RUNS_PER_MINUTE = read("int", "AUDIT_RUNS_PER_MINUTE", 30, lowest=1)  # manual audits that one caller may ask for
AUDIT_REQUESTS_PER_SECOND = read("int", "AUDIT_REQUESTS_PER_SECOND", 50, lowest=1)  # of the API, by one caller, over ten seconds
AUDIT_PORTAL_PATHS = {
    "carbonio": read("str", "AUDIT_PORTAL_CARBONIO_PATH", "/api/v1/domains/{domain}/carbonio"),
    "nginx": read("str", "AUDIT_PORTAL_NGINX_PATH", "/api/v1/domains/{domain}/nginx"),
    "certificate": read("str", "AUDIT_PORTAL_CERTIFICATE_PATH", "/api/v1/domains/{domain}/certificate"),
}
for _kind, _path in AUDIT_PORTAL_PATHS.items():
    if not _path.startswith("/") or "{domain}" not in _path:
        refuse(f"AUDIT_PORTAL_{_kind.upper()}_PATH", f"{_path!r} is not a path that starts with / and holds {{domain}}.")
AUDIT_CA_FILE = read("str", "SSL_CERT_FILE", "")
if AUDIT_CA_FILE and not Path(AUDIT_CA_FILE).is_file():
    refuse("SSL_CERT_FILE", f"there is no file {AUDIT_CA_FILE!r}.")

# -- django-q2: two kinds of process, many short tasks; a task is only a bell (the domain rows are the queue)

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
    "recycle": 500,
    "guard_cycle": 1,
    "label": "django-q2",
    "ALT_CLUSTERS": {},
}
if REDIS_URL:
    Q_CLUSTER["redis"] = REDIS_URL
else:
    Q_CLUSTER["orm"] = "default"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "ligbox.logs.OneLine", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"seldom": {"()": "ligbox.logs.Seldom"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "queue": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["seldom"]},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "django-q": {"handlers": ["queue"], "level": "WARNING", "propagate": False},
        "audit.management.commands.worker": {"handlers": ["queue"], "level": "INFO", "propagate": False},
        "django.security.DisallowedHost": {"handlers": [], "propagate": False},  # answered with 400; anybody can cause them
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
}
