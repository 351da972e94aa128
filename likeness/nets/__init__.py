"""Networks whose packages cannot be relied on, written from their papers; one in each file."""
