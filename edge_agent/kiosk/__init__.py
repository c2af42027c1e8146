"""The page on the device's own screen: server-rendered rooms, local accounts, nothing from anywhere else."""
