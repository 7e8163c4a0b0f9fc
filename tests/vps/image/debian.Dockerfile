# Debian as debootstrap makes it, with the test's own apt source: what stands for debian:bookworm-slim.
ARG BASE
FROM ${BASE}
ARG SUITE
COPY --from=keys archive.gpg /usr/share/keyrings/greffier-vps.gpg
COPY debian.sources /etc/apt/sources.list.d/debian.sources
RUN rm -f /etc/apt/sources.list && sed -i "s/SUITE/$SUITE/" /etc/apt/sources.list.d/debian.sources \
 && echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/unsafe-io \
 && printf 'Apt::Install-Recommends "false";\nAcquire::Languages "none";\n' >/etc/apt/apt.conf.d/90slim
CMD ["bash"]
