"""The pages people see; each fragment has its own address. The data come from `reading`."""
