"""What a case tells, by pointer, and the check of every reasoning step against it."""
