"""What the commands do: effects at the edge, each told by its module's name."""
