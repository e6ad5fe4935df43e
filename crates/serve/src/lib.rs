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
mod providers;
pub mod rest;
mod tls;
pub mod works;

pub use context::Context;
pub use drain::Drain;
pub use fault::Fault;
pub use http::{Peer, Presented};
pub use limits::Limits;
pub use listener::{Connections, Drained, Handler, ListenError, Listener};
pub use ports::{
    Accounts, Answer, Asked, Challenge, ClientCertificate, Column, Credential, Description, Dialect, Ended, Holds, NO_DATASET, NotPushed,
    Origin, Passkey, PasskeyAnswer, PasskeyChallenge, PasskeyMade, PasskeyWish, Proved, Push, PushFormat, Pushed, Pushing, Question, Room,
    Rows, ScramProof, Session, Table, Ticket, Verdict, Wire,
};
#[doc(hidden)]
pub use postgres::read_any as read_any_postgres;
pub use postgres::{Postgres, type_numbers};
pub use providers::{Departure, Device, Providers, Return, Waited};
pub use tls::{Clients, Tls, TlsError};
