//! Snapshots of the projection: `state/<dataset>/snapshot/<size>`. One saves replaying, never replaces the log: it carries the
//! right edge of the tree that it was taken at, whose root must be the one in its own signed checkpoint, and whatever the log
//! has after it must lead from that edge to the newest signed root.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::merkle::Hash;
use crate::note::{Checkpoint, Verifier};
use crate::shelf::{Room, Shelf, create_same, list};
use crate::state::State;
use crate::tile::Edge;
use crate::view::View;

const FORMAT: u32 = 1;
pub(crate) const SNAPSHOTS: &str = "snapshot";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    checkpoint: String,
    /// The hashes of each level's partial tile, hexadecimal.
    edge: Vec<Vec<String>>,
    state: State,
}

/// What replaying starts from.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) edge: Edge,
    pub(crate) state: State,
}

impl Base {
    pub(crate) fn nothing() -> Self {
        Self { checkpoint: None, edge: Edge::default(), state: State::default() }
    }

    /// To read on from what is known. The view's full tiles must all be in the store.
    pub(crate) fn of(view: &View) -> Self {
        Self { checkpoint: Some((*view.checkpoint).clone()), edge: (*view.edge).clone(), state: (*view.state).clone() }
    }
}

pub(crate) fn path(size: u64) -> String {
    format!("{SNAPSHOTS}/{size:020}")
}

pub(crate) fn encode(view: &View) -> Result<Bytes, Error> {
    let edge = view.edge.levels().iter().map(|level| level.iter().map(Hash::to_string).collect()).collect();
    let document = Document { format: FORMAT, checkpoint: view.checkpoint.note.clone(), edge, state: (*view.state).clone() };
    serde_json::to_vec(&document).map(Bytes::from).map_err(Error::Encode)
}

/// Reads a snapshot of `size` entries and checks it against itself: signature, root and sizes.
pub(crate) fn decode(size: u64, bytes: &[u8], verifier: &Verifier) -> Result<Base, &'static str> {
    let document: Document = serde_json::from_slice(bytes).map_err(|_| "it is not a snapshot")?;
    if document.format != FORMAT {
        return Err("its format is unknown");
    }
    let checkpoint = Checkpoint::parse(&document.checkpoint, verifier)?;
    let hash = |text: &String| <[u8; 32]>::try_from(hex::decode(text).ok()?).ok().map(Hash);
    let levels: Option<Vec<Vec<Hash>>> = document.edge.iter().map(|level| level.iter().map(hash).collect()).collect();
    let edge = levels.and_then(|levels| Edge::restore(size, levels)).ok_or("its tree is malformed")?;
    if checkpoint.head.size != size || document.state.size != size {
        return Err("it is of another size than its name says");
    }
    if edge.root() != checkpoint.head.root {
        return Err("its tree is not the one that was signed");
    }
    Ok(Base { checkpoint: Some(checkpoint), edge, state: document.state })
}

/// Writes the snapshot of a view and removes older ones.
pub(crate) async fn write(shelf: &dyn Shelf, view: &View) -> Result<(), Error> {
    let size = view.size();
    let bytes = encode(view)?;
    match create_same(shelf, Room::State, &path(size), bytes.clone()).await {
        // One of this size that is damaged or older in form: it proves nothing, so it may go.
        Err(Error::Corrupt { .. }) => {
            let rest = path(size);
            shelf.delete(Room::State, vec![rest.clone()]).await.map_err(|fault| fault.at("remove", shelf.path(Room::State, &rest)))?;
            create_same(shelf, Room::State, &rest, bytes).await?;
        }
        written => written?,
    }
    let older: Vec<String> = sizes(shelf).await?.into_iter().filter(|other| *other < size).map(path).collect();
    if !older.is_empty() {
        shelf.delete(Room::State, older).await.map_err(|fault| fault.at("remove", shelf.path(Room::State, SNAPSHOTS)))?;
    }
    Ok(())
}

/// The sizes that there are snapshots of, ascending.
pub(crate) async fn sizes(shelf: &dyn Shelf) -> Result<Vec<u64>, Error> {
    let names = list(shelf, Room::State, SNAPSHOTS).await?;
    Ok(names.iter().filter_map(|name| crate::batch::parse_name(name)).collect())
}
