"""Remote service by Internet (T2-10): the relay on IBM's side, and how both ends come to it.

The papers leave Assist-On-Site's protocol open (Q-16); ``frames`` and ``channels`` are the lab's own.
"""
