"""Provision, check and audit servers with RTX PRO 6000 Blackwell cards."""

__version__ = "0.1.0"
