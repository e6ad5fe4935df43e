//! The wire, driven by bytes and by a real client, over an answering side in memory.

mod client;
mod hostile;
mod rig;
mod values;
