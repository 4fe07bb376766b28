"""What is real: namespaces with sshd, files behind loop devices, routes and packet filters."""
