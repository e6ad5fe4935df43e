mod aborts;
pub(crate) mod bed;
mod document;
mod formats;
mod held;
mod input;
mod judge;
mod problems;
mod tables;
