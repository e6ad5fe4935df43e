use polder_lake::{Error, KeyLookup, Lake, Permit};

pub async fn keys(lake: &Lake, permit: &Permit) -> Result<(), Error> {
    drop(lake.keys(permit, &[]).await?.next_keys());
    Ok(())
}
