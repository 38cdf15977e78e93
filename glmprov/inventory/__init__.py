"""Hosts, as Ansible reads them: where the inventory lies, what is in it, and a cache that never holds a secret."""

from glmprov.inventory.host import Host
from glmprov.inventory.location import locate
from glmprov.inventory.reading import load

__all__ = ["Host", "load", "locate"]
