use polder_lake::{DatasetId, Error, Lake};

pub async fn scan(lake: &Lake, table: &DatasetId) -> Result<(), Error> {
    lake.scan(table, None).await.map(drop)
}
