"""What `lab explain` tells of a profile: what it may do, what a firewall must allow, what the lab chose.

Everything is computed from the catalogue, or from a profile of the user's own, and from the code that uses a
value. Pure: nothing is written, started or asked of a machine.
"""
