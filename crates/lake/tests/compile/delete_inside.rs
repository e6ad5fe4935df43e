use polder_lake::{Error, Permit, TableWriter};

pub async fn match_rows(writer: &mut TableWriter, permit: &Permit) -> Result<(), Error> {
    writer.match_keys(permit, Default::default()).await.map(drop)
}
