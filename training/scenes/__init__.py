"""What is rendered: a person before a backdrop, as a head crop or in a whole room."""
