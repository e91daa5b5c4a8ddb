"""IBM's remote service, seen from the customer: who may come in, and what stops everybody else."""
