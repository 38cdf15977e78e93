"""Results in, text out: one module a format, each with facts, plan, audit, provision and locks."""
