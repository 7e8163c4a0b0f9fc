"""The queue of jobs: how fast it takes and hands out, and what it keeps when processes, disks and networks fail."""
