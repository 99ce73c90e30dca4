"""The demo shop for a production server: static files are served from memory."""

from django.conf import settings
from whitenoise import WhiteNoise

from demoshop.wsgi import application as shop

application = WhiteNoise(shop, root=settings.STATIC_ROOT, prefix=settings.STATIC_URL)
