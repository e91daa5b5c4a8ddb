"""The drivers, one module for each layer of a tunnel: ``ipsec``, ``l2tp``, ``ppp``.

A driver renders its part of the model to text without effects, starts its daemons in nodes, waits
for facts of its protocol and writes what it learned to the record. Drivers are composed by whoever
brings a path up, and none is derived from another. Modules with an underscore know one daemon or
one kernel interface each and serve the drivers only.
"""
