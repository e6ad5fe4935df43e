use polder_lake::{Error, Lake};

pub async fn scan(lake: &Lake) -> Result<(), Error> {
    lake.scan(None).await.map(drop)
}
