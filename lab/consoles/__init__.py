"""What Hardware Management Consoles of one customer say to each other (S3 "Multiple HMCs", S4 5.4)."""
