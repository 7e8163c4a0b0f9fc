"""Every figure that the docs quote: `make bench NAME=…` measures it, bench/results/ keeps it."""
