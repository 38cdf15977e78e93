"""What is true on a host: payload/ is sent on standard input, parse*.py understand its answer.

Nothing on the host is changed.
"""

from glmprov.probe.round_trip import observe

__all__ = ["observe"]
