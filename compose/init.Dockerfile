# The notification bridge, and what hands out the secrets before everything else starts.
#
# Another package index than the usual one: --build-arg PIP_INDEX_URL=…
# Another package than the released one: its wheel in compose/wheels, or --build-arg WXIAI_OTEL=…

ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE}
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG WXIAI_OTEL="wxiai-otel[bridge]==0.1.0"
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
COPY compose compose
RUN python -m pip install --no-cache-dir --disable-pip-version-check --find-links compose/wheels "${WXIAI_OTEL}"
USER 10001:10001
EXPOSE 9095
