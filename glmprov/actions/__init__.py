"""The verbs, one module each, named as the command. A timer, a test and a person call the same function."""
