"""What operators see of a service: its log, its metrics, its traces."""
