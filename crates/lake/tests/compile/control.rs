use polder_lake::{Admitted, Error, KeyAccess, KeyLookup, Lake, Permit, TableWriter};

pub async fn scan(lake: &Lake, permit: &Permit) -> Result<(), Error> {
    lake.scan(permit, None).await.map(drop)
}

pub async fn write(writer: &mut TableWriter, rows: Admitted) -> Result<(), Error> {
    writer.write(rows).await
}

pub async fn keys(lake: &Lake, permit: &Permit, access: &KeyAccess) -> Result<(), Error> {
    drop(lake.keys(permit, &[]).await?.next_keys(access));
    Ok(())
}
