"""A lab that stands, inside the kernel that holds it."""
