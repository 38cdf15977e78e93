"""GLMPROV SIMULATED: nothing of the original is in here."""
