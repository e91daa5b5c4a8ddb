"""The agent and the Integrated Management Module (S0, "Communication between ESA and IMM"; E-04, E-05).

``cim_xml`` has the messages, ``subscribing`` asks the module for notices, ``notices`` takes them. ``pywbem``
would do the first two and takes a second to import; its listener wakes twice a second, so that a clock that
leaps while all is idle could not leap. The tests have it as the module's side.
"""
