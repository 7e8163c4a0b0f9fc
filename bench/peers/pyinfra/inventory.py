"""The host, by the name that the system's ssh knows."""

import os

hosts = [
    (
        os.environ["HOST"],
        {"ssh_config_file": os.environ["SSH_CONFIG"], "ssh_known_hosts_file": os.environ["KNOWN_HOSTS"]},
    )
]
