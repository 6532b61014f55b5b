"""What is kept of people, and the store that keeps it: references, security state, audit events."""
