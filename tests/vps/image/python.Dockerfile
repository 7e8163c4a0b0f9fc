# What stands for python:3.11-slim: Python and pip under /usr/local, as in that image, and the test's package index.
ARG DEBIAN
FROM ${DEBIAN}
RUN --mount=type=bind,from=debian,target=/source --mount=type=bind,target=/build \
    sh /build/install "file:/source bookworm main" -- ca-certificates netbase tzdata python3 python3-venv \
 && python3 -m venv /usr/local
COPY --from=keys ca.pem /usr/local/share/ca-certificates/greffier-vps.crt
COPY pip.conf /etc/pip.conf
RUN update-ca-certificates
ENV LANG=C.UTF-8
CMD ["python3"]
