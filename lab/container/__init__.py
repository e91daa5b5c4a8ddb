"""A container that Docker or Podman runs, as a node of a native lab.

The engine of containers is asked by its own client alone (``client``). On the host, what the lab changes in
a container is noted (``before``) and put back afterwards (``attached``). What runs inside finds the container
by paths that the native engine has laid (``doors``).
"""
