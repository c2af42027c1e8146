"""The numbered migrations of the device database, one file for each room whose tables it makes."""
