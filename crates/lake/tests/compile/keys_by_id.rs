use polder_lake::{DatasetId, Error, KeyAccess, KeyLookup, Lake};

pub async fn keys(lake: &Lake, permit: &DatasetId, access: &KeyAccess) -> Result<(), Error> {
    drop(lake.keys(permit, &[]).await?.next_keys(access));
    Ok(())
}
