# The worker as an image: `docker build -t beforehand .`, then docs/deploy.md.
#
# What is installed was checked against the digests in requirements.lock. Everything it names is fetched first, tools for
# development included; of those only what Beforehand needs goes into the image.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m pip wheel --disable-pip-version-check --no-cache-dir --require-hashes -r requirements.lock -w /wheels
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY detectors detectors
COPY engine engine
COPY sinks sinks
RUN python -m pip wheel --disable-pip-version-check --no-cache-dir --no-deps -w /wheels . \
    && python -m venv /opt/beforehand \
    && /opt/beforehand/bin/python -m pip install --disable-pip-version-check --no-cache-dir --no-index --find-links /wheels beforehand

FROM python:3.13-slim-bookworm
RUN groupadd --gid 10001 beforehand \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/beforehand --shell /usr/sbin/nologin beforehand \
    && install -d -o beforehand -g beforehand -m 0700 /var/lib/beforehand \
    && install -d /etc/beforehand
COPY --from=build /opt/beforehand /opt/beforehand
ENV PATH=/opt/beforehand/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/beforehand
# A number, so that Kubernetes can tell that it is not root.
USER 10001:10001
VOLUME ["/var/lib/beforehand"]
EXPOSE 9464
# Nothing answers before Kafka was reached, which may be starting as well.
HEALTHCHECK --interval=15s --timeout=5s --start-period=2m --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/livez', timeout=4)"]
ENTRYPOINT ["beforehand"]
CMD ["worker", "--config", "/etc/beforehand", "--state", "/var/lib/beforehand", "--metrics-host", "0.0.0.0", "--metrics-port", "9464"]
