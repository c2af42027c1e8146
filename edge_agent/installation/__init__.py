"""Put the program on a kiosk, take it to another version and back."""
