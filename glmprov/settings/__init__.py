"""What an operator may write about a host in the inventory: validated at the border, with all faults at once.

A variable is named <section>_<option>, as the role's. What isn't written is decided by the plan; in a
mapping, a key that is written wins over the plan's, and a key with an empty value (null) is not set by us.
"""

from glmprov.settings.models import MODELS, PLANNED, VARIABLES, HostSettings
from glmprov.settings.reading import from_variables
from glmprov.settings.reference import table

__all__ = ["MODELS", "PLANNED", "VARIABLES", "HostSettings", "from_variables", "table"]
