"""An agent's life: a script of events, carried out in virtual time, and judged by what IBM saw."""
