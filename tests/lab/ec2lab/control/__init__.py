"""moto as EC2's API, with what it leaves out: time, other accounts, real instances and disks, faults on demand."""
