"""What runs the services on a host: images, code folders, systemd or child processes, autostart, ports, logs."""
