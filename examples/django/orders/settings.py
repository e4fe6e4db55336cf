"""Settings: everything that differs between environments comes from the environment."""

import os
import sys
from urllib.parse import unquote, urlsplit


def required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        sys.exit(f"{name} is required: set it in the environment")
    return value


def database(url: str) -> dict:
    """A postgres://USER:PASSWORD@HOST:PORT/NAME address as Django wants it."""
    u = urlsplit(url)
    if u.scheme not in ("postgres", "postgresql"):
        sys.exit(f"DATABASE_URL: {u.scheme!r} is not postgres")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": u.path.lstrip("/"),
        "USER": unquote(u.username or ""),
        "PASSWORD": unquote(u.password or ""),
        "HOST": u.hostname or "",
        "PORT": str(u.port or 5432),
    }


SECRET_KEY = required("SECRET_KEY")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "*").split(",")
DATABASES = {"default": database(required("DATABASE_URL"))}
INSTALLED_APPS = ["orders"]
ROOT_URLCONF = "orders.urls"
WSGI_APPLICATION = "orders.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
