# A server of one library, or any verb:
#   docker build -t transhash .
#   docker run --rm -v "$PWD/photos:/photos" --user "$(id -u)" transhash index /photos
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8017:8017 -e TRANSHASH_TOKEN \
#       -v "$PWD/photos:/photos" --user "$(id -u)" transhash
FROM python:3.13-slim AS built
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src ./src
RUN python -m venv /opt/transhash \
    && /opt/transhash/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[server,parquet,pictures]"
# functions are compiled here, so that no container waits for that and none has to write
ENV NUMBA_CACHE_DIR=/opt/transhash/kernels NUMBA_CPU_NAME=x86-64-v3 NUMBA_CPU_FEATURES=
RUN /opt/transhash/bin/transhash doctor

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin transhash
COPY --from=built /opt/transhash /opt/transhash
ENV PATH=/opt/transhash/bin:$PATH \
    NUMBA_CACHE_DIR=/opt/transhash/kernels \
    NUMBA_CPU_NAME=x86-64-v3 \
    NUMBA_CPU_FEATURES= \
    XDG_STATE_HOME=/tmp/state \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
VOLUME /photos
WORKDIR /photos
EXPOSE 8017
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8017/api/v1/health', timeout=4)"]
ENTRYPOINT ["transhash"]
CMD ["serve", "--library", "/photos", "--host", "0.0.0.0", "--port", "8017"]
