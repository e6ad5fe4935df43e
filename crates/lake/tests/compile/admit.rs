use polder_lake::{Admitted, Error, TableWriter};

pub async fn write(writer: &mut TableWriter, rows: Admitted) -> Result<(), Error> {
    writer.write(Admitted { batch: rows.into_batch(), first_ordinal: 0, ordinals: Vec::new() }).await
}
