"""What runs a model: the protocol of engines, the models by name and on disk, and those in memory."""
