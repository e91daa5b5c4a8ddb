"""What happens on the way to a partition of i5/OS."""
