"""The laptop's end of the agent: one connection to a host, over SSH or to a child process."""
