//! The client of a connection, which waits for no answer longer than the source lets the server keep silent: one that hangs, or a way to
//! it that was cut without a word, ends the reading and not the night.

use std::future::Future;
use std::time::Duration;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CopyOutStream, Error, Row, Statement};

/// See the module. Its methods are those of the client that it holds.
pub(super) struct Client {
    client: tokio_postgres::Client,
    most: Duration,
}

type Parameters<'a> = [(&'a (dyn ToSql + Sync), Type)];

impl Client {
    pub(super) fn new(client: tokio_postgres::Client, most: Duration) -> Self {
        Self { client, most }
    }

    /// Waits for what the server is to say.
    ///
    /// # Errors
    /// When it says something else, or nothing for too long.
    pub(super) async fn heard<T>(&self, said: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        // The library has an error for it, and no other way to it: its blocking client, which waits as this one does, takes the same.
        tokio::time::timeout(self.most, said).await.unwrap_or_else(|_| Err(Error::__private_api_timeout()))
    }

    pub(super) async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        self.heard(self.client.batch_execute(sql)).await
    }

    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Error> {
        self.heard(self.client.prepare(sql)).await
    }

    pub(super) async fn query_typed(&self, sql: &str, parameters: &Parameters<'_>) -> Result<Vec<Row>, Error> {
        self.heard(self.client.query_typed(sql, parameters)).await
    }

    pub(super) async fn query_typed_one(&self, sql: &str, parameters: &Parameters<'_>) -> Result<Row, Error> {
        self.heard(self.client.query_typed_one(sql, parameters)).await
    }

    pub(super) async fn query_typed_opt(&self, sql: &str, parameters: &Parameters<'_>) -> Result<Option<Row>, Error> {
        self.heard(self.client.query_typed_opt(sql, parameters)).await
    }

    /// Begins a COPY. Its rows are waited for by [`Client::heard`], piece by piece.
    pub(super) async fn copy_out(&self, sql: &str) -> Result<CopyOutStream, Error> {
        self.heard(self.client.copy_out(sql)).await
    }
}
