"""This computer, as set-up finds and changes it: packages and kernel. Doctor looks, set-up acts."""
