# The worker, for CPUs: docker build --file docker/worker.Dockerfile .
# For NVIDIA GPUs:      docker build --file docker/worker.Dockerfile --build-arg TORCH_BACKEND=cu132 .
FROM python:3.11-slim-bookworm AS packages
# Which build of torch: cpu, or the CUDA version of the pinned release.
ARG TORCH_BACKEND=cpu
WORKDIR /build
COPY pyproject.toml requirements.txt ./
RUN python -m pip install --no-cache-dir "$(grep '^uv==' requirements.txt)" \
    && python -m venv --without-pip /venv \
    && uv pip install --python /venv/bin/python --no-cache --torch-backend "$TORCH_BACKEND" \
        --requirement pyproject.toml --extra demo --constraint requirements.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home shopimg \
    && install --directory --owner=10001 /var/cache/shopimg
WORKDIR /app
# The torch packages carry the CUDA libraries; the driver comes from the host's container runtime.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DEMO_DIR=/tmp/shopimg \
    DJANGO_SETTINGS_MODULE=demoshop.settings \
    ENHANCER_CACHE_DIR=/var/cache/shopimg \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=packages /venv /venv
COPY docker/worker_health.py docker/worker_health.py
COPY shopimg shopimg
COPY demoshop demoshop
COPY templates templates
COPY enhancer_worker enhancer_worker
RUN python -m enhancer_worker weights
USER 10001
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s CMD ["python", "-m", "docker.worker_health"]
CMD ["celery", "-A", "enhancer_worker", "worker", "--hostname=shopimg@%h", "--queues=shopimg", \
     "--concurrency=1", "--loglevel=INFO"]
