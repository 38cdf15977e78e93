"""Acts that aren't settings: images, weights, services, cards, and a reboot.

Each act takes an open channel and the host's name, and returns what came of it as a type. payload/ is sent to the
host's Python on standard input; nothing is installed, no port is opened, and no docker group is needed. A long act
occupies its channel (libssh2 runs one command at a time), so give it one of its own while a lock is renewed.
"""
