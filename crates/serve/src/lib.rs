//! Duty: takes connections over encrypted wires, finds out who asks, and hands questions to whoever decides and answers.
//! Never: decides who may read what, opens the store, runs SQL itself, or speaks to anyone in the clear.
//! Enter at: [`Accounts`] and [`Session`] (what the program wires in), [`Context`] (what each wire works with).
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        reason = "tests fail by panicking, and their numbers are small"
    )
)]

pub mod authority;
mod context;
mod drain;
mod fault;
pub mod flight;
pub mod http;
mod limits;
mod listener;
mod mcp;
mod plain;
mod ports;
mod postgres;
pub mod rest;
mod tls;

pub use context::Context;
pub use drain::Drain;
pub use fault::Fault;
pub use http::Peer;
pub use limits::Limits;
pub use listener::{Drained, Handler, ListenError, Listener};
pub use ports::{
    Accounts, Answer, Challenge, Column, Credential, Description, Dialect, Ended, Origin, Proved, Question, Rows, ScramProof, Session,
    Table, Wire,
};
pub use postgres::{Postgres, type_numbers};
#[doc(hidden)]
pub use postgres::read_any as read_any_postgres;
pub use tls::{Tls, TlsError};
