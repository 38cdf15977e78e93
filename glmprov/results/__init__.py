"""What the verbs return: one result a host, typed, ready for any report; and the exit codes that come of it."""
