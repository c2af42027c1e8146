"""The report as a document, and the same document in words: terminal, screen and print."""
