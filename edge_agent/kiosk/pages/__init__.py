"""One module for each room of the kiosk; each offers a ``router`` and knows nothing of the others."""
