"""Taking up a person: poses, outliers, and what came of it."""
