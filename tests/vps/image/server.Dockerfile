# A Debian 12 host that has what `setup` installs by apt already, for tests that are not about that.
ARG HOST
FROM ${HOST}
RUN --mount=type=bind,from=debian,target=/source --mount=type=bind,from=docker,target=/docker \
    --mount=type=bind,target=/build \
    sh /build/install "file:/source bookworm main" "file:/docker bookworm stable" -- nginx certbot python3-venv \
    docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
