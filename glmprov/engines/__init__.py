"""The engines: what their flags mean, what each release accepts, and an argument list read as they read it."""
