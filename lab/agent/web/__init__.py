"""The agent's web user interface (S0; S2, "ESA v6 web user interface"): HTTPS on port 5024, log-in by PAM.

``sheet`` is what a page shows, ``pages`` makes HTML of it, ``desk`` answers requests, ``accounts`` asks PAM,
``listening`` has the sockets. Nothing here reads the agent's state: ``sheet.Administered`` is the seam.
"""
