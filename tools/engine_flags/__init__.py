"""Reads what an inference engine accepts from its own wheel, without running it: flags, variables, files, names."""
