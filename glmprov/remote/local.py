"""This machine as a host (ansible_connection=local)."""

from __future__ import annotations

import os

from glmprov.inventory import Host
from glmprov.remote import Completed, ConnectOptions
from glmprov.remote.conversation import Conversation
from glmprov.remote.process import converse
from glmprov.remote.script import COMMAND_LINE
from glmprov.remote.talker import Talker


class LocalChannel(Talker):
    """Commands on this machine, through the same shell, watchdog and sudo as anywhere."""

    def __init__(self, host: Host, options: ConnectOptions) -> None:
        super().__init__(host, options, is_root=os.geteuid() == 0)

    def _converse(self, conversation: Conversation) -> Completed:
        return converse(["/bin/sh", "-c", COMMAND_LINE], conversation)
