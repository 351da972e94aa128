"""How a patch and the picture around it are made one."""
