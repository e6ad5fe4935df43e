use polder_lake::{Admitted, Deletes, Error, Permit, StandingKeys, TableWriter};

pub async fn match_rows(writer: &mut TableWriter, permit: &Permit, rows: Admitted) -> Result<(), Error> {
    let keys = vec![StandingKeys { keys: rows.into_batch() }];
    writer.match_rows(permit, Deletes::Listed(keys)).await.map(drop)
}
