# One image for everything: Dagster's web server, daemon and code location (compose.yaml), and the command `coc`.
#   docker build -t coc-assets .
#   docker run --rm -p 127.0.0.1:3000:3000 -v "$PWD/dataset:/data:ro" -v "$PWD/store:/store" coc-assets
#   docker run --rm -v "$PWD/dataset:/data:ro" -v "$PWD/store:/store" coc-assets coc run --jobs 4
# Mounted folders must belong to the user in it: --build-arg UID=$(id -u) makes it you.
FROM python:3.11-slim-bookworm

# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
ARG UID=1000
RUN useradd --create-home --uid "$UID" coc && mkdir /app /store && chown coc /app /store
USER $UID
WORKDIR /app

# What is installed does not depend on the code, so that changed code installs nothing again (2.2 GB).
COPY --chown=coc pyproject.toml requirements.lock.txt Makefile README.md ./
COPY --chown=coc coc_assets/__init__.py coc_assets/
COPY --chown=coc resources/__init__.py resources/
COPY --chown=coc checks/__init__.py checks/
ENV PIP_NO_CACHE_DIR=1
RUN make setup
COPY --chown=coc dagster.yaml dagster.postgres.yaml workspace.yaml workspace.grpc.yaml ./
COPY --chown=coc coc_assets coc_assets
COPY --chown=coc resources resources
COPY --chown=coc checks checks

ENV PATH=/app/.venv/bin:$PATH \
    COC_DATASET=/data \
    COC_STORE=/store \
    DAGSTER_HOME=/store/.dagster \
    NUMBA_CACHE_DIR=/tmp/numba \
    PYTHONUNBUFFERED=1
EXPOSE 3000
# Alone, without compose: web server and daemon in one, over SQLite. The instance folder must be there for them.
CMD ["sh", "-c", "python -m resources.instance && exec dagster dev -h 0.0.0.0 -p 3000"]
