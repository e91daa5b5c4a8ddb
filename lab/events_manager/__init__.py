"""The Events Manager for Call Home: a console that approves what other consoles send to IBM (M-10 to M-14).

``waiting`` keeps a console's events, ``console_desk`` answers the manager there; ``manager`` asks consoles
and decides, ``page`` is what people see, ``orders`` and ``tool`` are the command ``lab-events``; ``service``
has the sockets and the threads.
"""
