//! Flight SQL over real TLS on a real socket, driven by `arrow-flight`'s own client.

mod asking;
mod bed;
mod listing;
mod refusing;
mod signing;
