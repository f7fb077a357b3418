"""A batch as a page for a browser."""
