//! What a third party verifies: the exported log.
