"""One story a module, ``run(lab) -> int``: used by the command and by tests alike.

0 means that the story came to its end; what is to be thought of it is judged afterwards.
"""
