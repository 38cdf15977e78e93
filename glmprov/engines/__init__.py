"""The engines: what their flags mean, and how a launch becomes a command."""
