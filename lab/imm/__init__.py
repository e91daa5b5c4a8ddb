"""The Integrated Management Module of an agent's system: a CIM server with indications (S0; E-04, E-05).

No CIM server is packaged for the systems that the lab runs on, so the module is the lab's own. ``messages``
reads and writes CIM-XML (DSP0200, DSP0201), ``repository`` keeps filters, destinations and subscriptions
(DSP1054), ``desk`` answers requests, ``delivering`` sends alerts, ``server`` has the sockets. The tests have
``pywbem`` as client and as listener.
"""
