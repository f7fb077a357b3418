"""The sandbox's console: a page that shows its orders, and live what comes in and goes out."""
