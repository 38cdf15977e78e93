"""Results in, text out: one module a format, each with the functions facts, plan, audit, provision and locks."""
