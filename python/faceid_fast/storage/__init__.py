"""The store, and the data that it keeps: references, the security state, audit events."""
