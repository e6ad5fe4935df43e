//! Two writers, a paused writer, a writer elsewhere.
