use polder_lake::{DatasetId, Deletes, Error, TableWriter};

pub async fn match_rows(writer: &mut TableWriter, table: &DatasetId) -> Result<(), Error> {
    writer.match_rows(table, Deletes::None).await.map(drop)
}
