# The example application, its load, the AI provider that it has simulated, and the notification bridge: one image, since
# they share all that is large. What a container is, its command says.
#
# Another package index than the usual one: --build-arg PIP_INDEX_URL=…

ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
# Neither environment has a pip of its own: what is shipped cannot install anything.
RUN python -m venv --without-pip /opt/venv && python -m venv --without-pip /opt/build
COPY requirements/image.txt requirements/build.txt requirements/
RUN python -m pip --python /opt/venv/bin/python install --only-binary :all: --require-hashes --no-deps -r requirements/image.txt
RUN python -m pip --python /opt/build/bin/python install --only-binary :all: --require-hashes --no-deps -r requirements/build.txt
COPY pyproject.toml README.md LICENSE docker-compose.yml jaeger.yaml prometheus.yml ./
COPY secrets/README.md secrets/
COPY alerts alerts
COPY collector collector
COPY compose compose
COPY dashboards dashboards
COPY wxiai_otel wxiai_otel
RUN /opt/build/bin/python -c "import hatchling.build; hatchling.build.build_wheel('/tmp')" \
    && python -m pip --python /opt/venv/bin/python install --no-deps --no-index /tmp/*.whl \
    && /opt/venv/bin/python -m compileall -q /opt/venv/lib

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY examples examples
COPY compose compose
USER 10001:10001
EXPOSE 8000 9095
# Slow at the start is no fault: the interpreter reads a lot the first time.
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-m", "compose.health", "http://127.0.0.1:8000/health"]
# Nor does uvicorn kill a worker that is still importing after its default of 5 seconds.
CMD ["uvicorn", "examples.wxiai.app:app", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
    "--timeout-worker-healthcheck", "30"]
