use polder_lake::{Error, Lake, Permit};

pub async fn keys(lake: &Lake, permit: &Permit) -> Result<(), Error> {
    drop(lake.keys(permit, &[]).await?.next_batch());
    Ok(())
}
