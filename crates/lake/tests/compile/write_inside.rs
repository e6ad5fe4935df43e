use polder_lake::{Admitted, Error, TableWriter};

pub async fn write(writer: &mut TableWriter, rows: Admitted) -> Result<(), Error> {
    writer.write_batch(rows.into_batch(), &[]).await
}
