use polder_lake::{Admitted, Error, Lake, Permit, TableWriter};

pub async fn scan(lake: &Lake, permit: &Permit) -> Result<(), Error> {
    lake.scan(permit, None).await.map(drop)
}

pub async fn write(writer: &mut TableWriter, rows: Admitted) -> Result<(), Error> {
    writer.write(rows).await
}
