"""What happens on the wires: ``capture`` records it, ``pcapng`` writes it, ``decode`` reads it."""
