"""What all commands that change hosts share: orders, batches, hooks, Ctrl-C, and what a change leaves on a host."""
