# A bare Debian server as a provider hands it over: systemd, sshd, sudo, Python; no Docker, nginx or certbot.
ARG DEBIAN
FROM ${DEBIAN}
ARG SUITE
ENV container=docker
RUN --mount=type=bind,from=debian,target=/source --mount=type=bind,target=/build \
    sh /build/install "file:/source $SUITE main" -- systemd systemd-sysv libpam-systemd dbus openssh-server sudo \
    python3 ca-certificates curl iproute2 iputils-ping procps cron netbase tzdata \
 && rm -rf /etc/ssh/ssh_host_* /etc/apt/apt.conf.d/90slim && : >/etc/machine-id
# udev, modules and consoles are not a container's; the apt timers would take apt's lock in the middle of a test.
RUN systemctl mask systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service getty.target \
    console-getty.service sys-kernel-debug.mount sys-kernel-tracing.mount apt-daily.timer apt-daily-upgrade.timer \
 && systemctl set-default multi-user.target
# Every host has a key of its own from its first boot on; one type, since RSA takes seconds.
RUN mkdir -p /etc/systemd/system/ssh.service.d \
 && printf '[Service]\nExecStartPre=\nExecStartPre=/bin/sh -c "[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N \\"\\" -f /etc/ssh/ssh_host_ed25519_key"\nExecStartPre=/usr/sbin/sshd -t\n' \
    >/etc/systemd/system/ssh.service.d/key.conf \
 && printf 'HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\nUseDNS no\n' >/etc/ssh/sshd_config.d/host.conf
# root; debian, whose sudo asks nothing, as on cloud images; admin, whose sudo asks for a password.
RUN --mount=type=bind,from=keys,source=id_ed25519.pub,target=/id.pub \
    useradd -m -s /bin/bash -G sudo admin && echo 'admin:let me in' | chpasswd \
 && useradd -m -s /bin/bash debian && echo 'debian ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/debian \
 && for home in /root /home/admin /home/debian; do \
        install -d -m 700 "$home/.ssh" && install -m 600 /id.pub "$home/.ssh/authorized_keys" \
        && chown -R --reference="$home" "$home/.ssh" || exit 1; done
COPY --from=keys ca.pem /usr/local/share/ca-certificates/greffier-vps.crt
RUN update-ca-certificates
COPY --from=keys archive.gpg /etc/apt/keyrings/docker.gpg
COPY docker.sources /etc/apt/sources.list.d/docker.sources
RUN sed -i "s/SUITE/$SUITE/" /etc/apt/sources.list.d/docker.sources
COPY daemon.json /etc/docker/daemon.json
COPY pip.conf /etc/pip.conf
COPY --chmod=755 boot.sh /boot.sh
STOPSIGNAL SIGRTMIN+3
VOLUME /var/lib/docker
CMD ["/boot.sh"]
