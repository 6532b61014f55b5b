"""How a rendered person looks: skin, hair, glasses and caps, and the light on them."""
