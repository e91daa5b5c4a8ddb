"""A lab that stands, seen from outside: what the nodes are asked, and how it is shown. Changes nothing."""
