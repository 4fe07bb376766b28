"""A small Slurm cluster on one machine: a head, login and compute hosts with their own sshd, made of namespaces."""
