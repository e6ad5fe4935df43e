use polder_lake::{Admitted, Deletes, Error, KeyAccess, KeyLookup, Lake, Permit, StandingKeys, TableWriter};

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

pub async fn match_rows(writer: &mut TableWriter, permit: &Permit) -> Result<(), Error> {
    writer.match_rows(permit, Deletes::None).await.map(drop)
}

pub async fn delete(writer: &mut TableWriter, permit: &Permit, keys: Vec<StandingKeys>) -> Result<(), Error> {
    writer.match_rows(permit, Deletes::Listed(keys)).await.map(drop)
}
