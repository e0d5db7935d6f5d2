"""Pages of the dashboard, each a view of a state."""
