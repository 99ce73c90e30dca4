# The shop's web process: no torch, no root. Build: docker build --file docker/web.Dockerfile .
FROM python:3.11-slim-bookworm AS packages
WORKDIR /build
COPY pyproject.toml requirements.txt ./
RUN python -m pip install --no-cache-dir "$(grep '^uv==' requirements.txt)" \
    && python -m venv --without-pip /venv \
    && uv pip install --python /venv/bin/python --no-cache \
        --requirement pyproject.toml --extra site --constraint requirements.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home shopimg
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DEMO_DIR=/var/lib/shopimg \
    DJANGO_SETTINGS_MODULE=demoshop.settings
COPY --from=packages /venv /venv
COPY manage.py ./
COPY docker/wsgi.py docker/wsgi.py
COPY docker/web_health.py docker/web_health.py
COPY shopimg shopimg
COPY demoshop demoshop
COPY templates templates
# A job is identified by the digests of the weights, which the web process reads and never loads.
COPY enhancer_worker/__init__.py enhancer_worker/__init__.py
COPY enhancer_worker/weights/weights.json enhancer_worker/weights/weights.json
RUN DJANGO_SECRET_KEY=unused python manage.py collectstatic --no-input
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "docker.web_health"]
CMD ["gunicorn", "docker.wsgi:application", "--bind=0.0.0.0:8000", "--workers=2", "--threads=4", \
     "--worker-tmp-dir=/dev/shm", "--no-control-socket", "--access-logfile=-"]
