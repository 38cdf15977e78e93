"""Locks, receipts and history on a host: who is changing it, what was applied to it, and every change so far.

State lives on the host, so that any controller sees it.
"""

from glmprov.receipt import RECEIPT_PATH

HOME = RECEIPT_PATH.rpartition("/")[0]
"""Where a host keeps them."""
