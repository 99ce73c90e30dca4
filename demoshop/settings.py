"""Settings of the demo shop: embedded by default, real servers when the environment names them.

==========================  ====================================================================
``DATABASE_URL``            any database Django knows; SQLite under ``var/demo`` when unset
``REDIS_URL``               Celery's broker; a folder of messages under ``var/demo`` when unset
``S3_ENDPOINT_URL``         an S3 server; with ``S3_ACCESS_KEY_ID``, ``S3_SECRET_ACCESS_KEY``,
                            ``S3_REGION_NAME``, ``S3_ADDRESSING_STYLE``,
                            ``S3_SIGNATURE_VERSION`` (s3v4 when unset) and the buckets
                            ``S3_BUCKET_MEDIA``, ``S3_BUCKET_DRAFTS``, ``S3_BUCKET_PUBLISHED``;
                            ``S3_PUBLIC_URL`` when browsers reach the buckets elsewhere
``DJANGO_DEBUG``            1 shows Django's error pages; off when unset
``DJANGO_SECRET_KEY``       made once and kept under ``var/demo`` when unset
``DJANGO_ALLOWED_HOSTS``    comma-separated; this machine only when unset
``DJANGO_HTTPS``            1 when the site is behind TLS: secure cookies, HSTS, redirect
``DEMO_DIR``                where the demo keeps its files; ``var/demo`` when unset
``DEMO_ENHANCER``           dotted path of another enhancer, for trying one out
``DEMO_RECIPE``             another recipe than ``catalogue`` for uploads
==========================  ====================================================================
"""

import os
from pathlib import Path

from demoshop import environment

BASE_DIR = Path(__file__).resolve().parent.parent
DEMO_DIR = Path(os.environ.get("DEMO_DIR", BASE_DIR / "var" / "demo"))

DEBUG = environment.flag(os.environ, "DJANGO_DEBUG")
SECRET_KEY = environment.secret_key(os.environ, DEMO_DIR)
ALLOWED_HOSTS = environment.words(os.environ, "DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pictures",
    "shopimg",
    "demoshop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "demoshop.urls"
WSGI_APPLICATION = "demoshop.wsgi.application"
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
                "demoshop.context_processors.shop",
            ],
        },
    },
]

DATABASES = {"default": environment.database(os.environ, DEMO_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STORAGES = environment.storages(os.environ, DEMO_DIR)
STATIC_URL = "/static/"
STATIC_ROOT = DEMO_DIR / "static"
MEDIA_URL = "/media/"

_BROKER = environment.broker(os.environ, DEMO_DIR)
CELERY_BROKER_URL = _BROKER["CELERY_BROKER_URL"]
CELERY_BROKER_TRANSPORT_OPTIONS = _BROKER.get("CELERY_BROKER_TRANSPORT_OPTIONS", {})

SHOPIMG = {
    "SOURCES": {
        "demoshop.ProductImage": {
            "field": "original",
            "recipe": os.environ.get("DEMO_RECIPE", "catalogue"),
            "alt": "alt",
        }
    },
    "ENHANCER": os.environ.get("DEMO_ENHANCER", "enhancer_worker.backend.NeuralEnhancer"),
    "DRAFT_STORAGE": "shopimg_drafts",
    "PUBLISHED_STORAGE": "shopimg_published",
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator")
]
LOGIN_URL = "admin:login"

X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = "Lax"
_HTTPS = environment.flag(os.environ, "DJANGO_HTTPS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
CSRF_TRUSTED_ORIGINS = environment.words(os.environ, "DJANGO_CSRF_TRUSTED_ORIGINS", "")
