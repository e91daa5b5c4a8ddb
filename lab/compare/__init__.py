"""Two runs beside each other: what a run shows (``traits``), and in what two differ (``differences``).

What is random by protocol, or hangs on how busy the machine is, is no trait: docs/compare.md has the list.
"""
