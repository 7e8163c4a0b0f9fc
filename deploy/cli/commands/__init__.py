"""Commands that cli.py gathers; each imports what it needs when it runs, so that `--help` is at once."""
