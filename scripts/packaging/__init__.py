"""Make the package that a technician carries to a kiosk."""
