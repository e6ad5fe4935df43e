//! Ranges: near ones become one reading, far ones and long ones are opened in parallel; all of it is one request.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use polder_crypto::SEGMENT_LEN;

use super::open::Object;
use super::{SealedStore, blocking};
use crate::error::Error;

/// Up to here one task reads and opens all; above, tasks take pieces of this size.
pub(super) const PIECE_BYTES: u64 = 4 << 20;
/// Ranges this near are read as one: what lies between shares a segment with one of them, or costs less than a reading.
const GAP_BYTES: u64 = SEGMENT_LEN as u64;

/// Pieces that are opened at once.
pub(super) fn parallel() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8)
}

/// Sorted ranges that cover all of `ranges`, near ones joined.
fn join(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = ranges.iter().filter(|range| range.start < range.end).cloned().collect();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP_BYTES) => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

fn pieces(range: Range<u64>) -> impl Iterator<Item = Range<u64>> + Send {
    let end = range.end;
    std::iter::successors(Some(range.start), |start| start.checked_add(PIECE_BYTES))
        .take_while(move |start| *start < end)
        .map(move |start| start..start.saturating_add(PIECE_BYTES).min(end))
}

/// A range as a stream of pieces in order, opened in parallel.
pub(super) fn stream_of(path: String, object: Arc<Object>, range: Range<u64>) -> BoxStream<'static, object_store::Result<Bytes>> {
    stream::iter(pieces(range))
        .map(move |piece| {
            let (object, path) = (Arc::clone(&object), path.clone());
            async move { blocking("read", &path, move || object.read(piece)).await }
        })
        .buffered(parallel())
        .boxed()
}

impl SealedStore {
    pub(super) async fn ranges(&self, path: &str, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let joined = join(ranges);
        let total = joined.iter().fold(0u64, |sum, range| sum.saturating_add(range.end - range.start));
        let (this, name, wanted) = (self.clone(), path.to_owned(), joined.clone());
        let first = blocking::<_, object_store::Error>("read", path, move || {
            let object = this.0.open(&name)?;
            if wanted.last().is_some_and(|last| last.start >= object.plain_len()) {
                return Err(Error::Range { path: name });
            }
            let read = if total <= PIECE_BYTES {
                Some(wanted.into_iter().map(|range| object.read(range)).collect::<Result<Vec<_>, Error>>()?)
            } else {
                None
            };
            Ok((Arc::new(object), read))
        });
        let (object, read) = first.await?;
        let fetched = match read {
            Some(read) => read,
            None => self.read_parallel(path, &object, &joined).await?,
        };
        let cut = |range: &Range<u64>| {
            if range.start >= range.end {
                return Some(Bytes::new());
            }
            let at = joined.partition_point(|joined| joined.start <= range.start).checked_sub(1)?;
            let (whole, bytes) = (joined.get(at)?, fetched.get(at)?);
            let offset = |offset: u64| usize::try_from(offset - whole.start).unwrap_or(usize::MAX).min(bytes.len());
            Some(bytes.slice(offset(range.start)..offset(range.end)))
        };
        ranges.iter().map(|range| cut(range).ok_or_else(|| Error::Range { path: path.to_owned() }.into())).collect()
    }

    async fn read_parallel(&self, path: &str, object: &Arc<Object>, joined: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let all = joined.iter().enumerate().flat_map(|(at, range)| pieces(range.clone()).map(move |piece| (at, piece)));
        let mut opened = stream::iter(all.collect::<Vec<_>>())
            .map(|(at, piece)| {
                let (object, name) = (Arc::clone(object), path.to_owned());
                async move {
                    let bytes = blocking::<_, object_store::Error>("read", name, move || object.read(piece)).await?;
                    Ok::<_, object_store::Error>((at, bytes))
                }
            })
            .buffered(parallel());
        let mut fetched: Vec<Parts> = joined.iter().map(|range| Parts::new(range.end - range.start)).collect();
        while let Some((at, bytes)) = opened.try_next().await? {
            if let Some(parts) = fetched.get_mut(at) {
                parts.push(bytes);
            }
        }
        Ok(fetched.into_iter().map(Parts::finish).collect())
    }
}

/// One range, put together; copied only when it came in several pieces.
struct Parts {
    len: u64,
    first: Option<Bytes>,
    joined: Option<BytesMut>,
}

impl Parts {
    fn new(len: u64) -> Self {
        Self { len, first: None, joined: None }
    }

    fn push(&mut self, bytes: Bytes) {
        match (&mut self.joined, self.first.take()) {
            (Some(joined), _) => joined.extend_from_slice(&bytes),
            (None, Some(first)) => {
                let mut joined = BytesMut::with_capacity(usize::try_from(self.len).unwrap_or_default());
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&bytes);
                self.joined = Some(joined);
            }
            (None, None) => self.first = Some(bytes),
        }
    }

    fn finish(self) -> Bytes {
        self.joined.map(BytesMut::freeze).or(self.first).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_joined_and_far_ones_are_not() {
        assert_eq!(join(&[10..20, 0..5, 30..30, 200_000..200_001]), vec![0..20, 200_000..200_001]);
        assert_eq!(join(&[0..100, 50..60]), vec![0..100]);
        assert!(join(&[]).is_empty());
    }

    #[test]
    fn pieces_cover_a_range_once() {
        let range = 5..(2 * PIECE_BYTES + 7);
        let cut: Vec<_> = pieces(range.clone()).collect();
        assert_eq!(cut.len(), 3);
        assert_eq!((cut[0].start, cut[2].end), (range.start, range.end));
        assert!(cut.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(pieces(3..3).count(), 0);
    }
}
