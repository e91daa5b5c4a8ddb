"""The benchmarks: ``python -m bench [NAME...]``, one module each. Speed is judged here and nowhere else.

A benchmark module has ``SUMMARY`` and ``measure(rounds) -> list[Figure]``. Modules named ``inside_*``
run in the kernel that holds a lab, and write what they took as JSON.
"""
