"""One run, seen from the host: prepared, carried out, judged; and a lab that was left up."""
