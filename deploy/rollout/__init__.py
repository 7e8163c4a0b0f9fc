"""A deploy: survey a host, plan, apply, verify."""
