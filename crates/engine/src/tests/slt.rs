//! What queries answer, in sqllogictest files: `tests/slt/*.slt`.

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

use super::bed::{Bed, chained, files, flights, owner, texts};
use crate::Error;

struct Session(Bed);

/// An error as a user reads it, with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(chained(&error))
    }
}

#[async_trait]
impl AsyncDB for Session {
    type Error = Failed;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failed> {
        let answer = self.0.door.query(&owner(), sql, &crate::QueryOptions::default()).await?;
        let types = vec![DefaultColumnType::Any; answer.schema().fields().len()];
        let rows = texts(&answer.collect().await?);
        let shown = |value: String| if value.is_empty() { "(empty)".to_owned() } else { value };
        Ok(DBOutput::Rows { types, rows: rows.into_iter().map(|row| row.into_iter().map(shown).collect()).collect() })
    }

    async fn shutdown(&mut self) {}
}

fn bed() -> Bed {
    flights()
        .model(
            "by_carrier",
            "-- polder: materialized = view\nselect carrier, count(*) as flights, sum(fare) as fare from flights group by carrier",
        )
        .model(
            "named",
            "-- polder: materialized = view\nselect a.name, b.flights from by_carrier b join airlines a on a.carrier = b.carrier",
        )
        .build()
}

#[tokio::test]
async fn every_file_gives_its_answers() {
    let found = files(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt"));
    assert!(found.len() >= 6, "{found:?}");
    for file in found {
        let mut runner = Runner::new(|| async { Ok(Session(bed())) });
        if let Err(error) = runner.run_file_async(&file).await {
            panic!("{}: {error}", file.display());
        }
    }
}
