//! The README and the guide, word for word.
