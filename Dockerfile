# Dagster's web server and daemon over one store. Mount the dataset read-only at /data and the store at /store:
#   docker build -t coc-assets .
#   docker run --rm -p 3000:3000 -v "$PWD/dataset:/data:ro" -v "$PWD/store:/store" coc-assets
#   docker run --rm -v "$PWD/dataset:/data:ro" -v "$PWD/store:/store" coc-assets coc run --jobs 4
FROM python:3.11-slim

RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home coc && mkdir /app /store && chown coc /app /store
USER coc
WORKDIR /app
COPY --chown=coc pyproject.toml requirements.lock.txt Makefile README.md dagster.yaml workspace.yaml ./
COPY --chown=coc coc_assets coc_assets
COPY --chown=coc resources resources
COPY --chown=coc checks checks
RUN make setup

ENV PATH=/app/.venv/bin:$PATH \
    COC_DATASET=/data \
    COC_STORE=/store \
    DAGSTER_HOME=/store/.dagster \
    NUMBA_CACHE_DIR=/tmp/numba
EXPOSE 3000
# The instance folder is made by the first command that needs it; `dagster dev` expects it to be there.
CMD ["sh", "-c", "mkdir -p $DAGSTER_HOME && cp -n dagster.yaml $DAGSTER_HOME/ ; exec dagster dev -h 0.0.0.0 -p 3000"]
