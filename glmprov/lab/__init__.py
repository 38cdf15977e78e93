"""The rehearsal fleet: simulated GPU hosts with real systemd, sshd, apt and Docker on this machine.

Nodes are systemd-nspawn containers over a shared read-only image, in a network namespace of the fleet's own. A
forwarder makes each of them answer on a loopback address of this machine; nothing of the machine's own network,
cgroups or mounts is changed. Whoever adds to this room: what is simulated must say so in `lab status`.
"""
