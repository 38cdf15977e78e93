"""The rehearsal fleet: simulated GPU hosts with real systemd, sshd, apt and Docker on this machine.

Nodes are systemd-nspawn containers over a shared read-only image, in a network namespace of the fleet's own.
A forwarder makes each of them answer on a loopback address of this machine. Every process of a fleet lives in
one control group, every mount and the network in namespaces without names: when the group is killed, nothing
is left. What is simulated must say so in `lab status`.
"""
