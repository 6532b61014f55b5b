//! Placeholder until the gallery lands.
