use polder_lake::{Admitted, Deletes, Error, Permit, StandingKeys, TableWriter};

pub async fn match_rows(writer: &mut TableWriter, permit: &Permit, rows: Admitted) -> Result<(), Error> {
    let mut keys: Vec<StandingKeys> = Vec::new();
    keys.push(rows.into_batch());
    writer.match_rows(permit, Deletes::Listed(keys)).await.map(drop)
}
