"""Who audits what and when: claims, drains, the loop; what a result means stands in `results`."""
