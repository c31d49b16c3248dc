# One image for every process of ours: aanlevering, worker, the command line, the reference profile service. No Java.
FROM python:3.11.14-slim-bookworm AS bouw
WORKDIR /bouw
COPY requirements-dev.txt ./
# The tool that builds the package, at the version that is pinned.
RUN awk '/^setuptools==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements-dev.txt > bouw.txt \
    && pip install --no-cache-dir --require-hashes --no-deps -r bouw.txt
COPY pyproject.toml README.md LICENSE ./
COPY domain domain
COPY avro avro
COPY streams streams
COPY sinks sinks
COPY bijlagen bijlagen
COPY profielservice profielservice
COPY agents agents
COPY aanlevering aanlevering
COPY cli cli
COPY voorbeeld voorbeeld
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wiel .

FROM python:3.11.14-slim-bookworm
ENV PYTHONUNBUFFERED=1
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY --from=bouw /bouw/wiel wiel
RUN pip install --no-cache-dir --no-deps wiel/*.whl
RUN useradd --uid 10001 --create-home stroom \
    && install -d -o stroom -g stroom -m 700 /var/lib/berichtenstroom /var/lib/berichtenstroom/sleutels \
       /var/lib/berichtenstroom/opslag /var/lib/berichtenstroom/profielservice
USER stroom
WORKDIR /var/lib/berichtenstroom
ENV BERICHTENSTROOM_DATA=/var/lib/berichtenstroom
CMD ["berichtenstroom", "--help"]
