use polder_lake::{DatasetId, Error, Lake};

pub async fn scan(lake: &Lake, table: DatasetId) -> Result<(), Error> {
    lake.snapshot(table, None).await.map(drop)
}
