//! The demo, as its reader sees it: every figure is computed, and equals one computed elsewhere.
