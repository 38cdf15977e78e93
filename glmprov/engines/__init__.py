"""What the inference engines accept, by version, and an argument list read as they read it."""
