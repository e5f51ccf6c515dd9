"""What all domains of a tenant stand on, judged once for all of them; no check of one domain."""
