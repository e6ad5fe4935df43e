use polder_lake::{Admitted, Error, TableWriter};

pub async fn write(writer: &mut TableWriter, rows: Admitted) -> Result<(), Error> {
    writer.write(rows.into_batch()).await
}
