//! The bytes of a [`Document`]. One keyring has one encoding: what is not canonical is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_types::{DatasetId, LineageId};
use zeroize::Zeroizing;

use super::{COPIES_MAX, Dataset, Document, ENTRIES_MAX, KITS_MAX, Kit, KitKind, NAME_MAX_BYTES, Tombstone, Version, lock};
use crate::error::Error;
use crate::locked::{DatasetKey, Locked};

const MAGIC: &[u8; 8] = b"POLDERKY";
const FORMAT: u8 = 1;
const FIXED_LEN: usize = 64;

const LIVE: u8 = 1;
const PENDING: u8 = 2;
const DESTROYED: u8 = 3;
const SHARES: u8 = 1;
const KEY_FILE: u8 = 2;

/// Why a plaintext is refused. It authenticated, so this is a defect of its writer or a format from the future.
type Bad = &'static str;

pub(super) fn encode(document: &Document) -> Zeroizing<Vec<u8>> {
    let names: usize = document.datasets.values().map(|d| 26 + d.name.len() + d.versions.len() * 40).sum();
    let copies: usize = document.copies.keys().map(|name| 10 + name.len()).sum();
    let keys = document.keys().count();
    // Exact or more, so that the vector never moves and leaves keys behind.
    let mut out = Zeroizing::new(Vec::with_capacity(FIXED_LEN + names + copies + document.kits.len() * 32 + keys * 32));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[FORMAT, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&document.lineage.0);
    out.extend_from_slice(&document.created_ms.to_be_bytes());
    out.extend_from_slice(&document.changed_ms.to_be_bytes());
    for count in [document.kits.len(), document.copies.len(), document.datasets.len(), keys] {
        out.extend_from_slice(&number(count));
    }
    for kit in &document.kits {
        let shape = match kit.kind {
            KitKind::Shares { needed, total } => [SHARES, needed, total, 0],
            KitKind::KeyFile => [KEY_FILE, 0, 0, 0],
        };
        out.extend_from_slice(&shape);
        out.extend_from_slice(&kit.since.to_be_bytes());
        out.extend_from_slice(&kit.written_ms.to_be_bytes());
        out.extend_from_slice(&kit.tested_ms.unwrap_or(i64::MIN).to_be_bytes());
    }
    for (name, version) in &document.copies {
        put_name(&mut out, name);
        out.extend_from_slice(&version.to_be_bytes());
    }
    for (id, dataset) in &document.datasets {
        out.extend_from_slice(&id.0);
        put_name(&mut out, &dataset.name);
        out.extend_from_slice(&dataset.current.to_be_bytes());
        out.extend_from_slice(&number(dataset.versions.len()));
        for (key_version, version) in &dataset.versions {
            out.extend_from_slice(&key_version.to_be_bytes());
            let state = match version {
                Version::Live { .. } => LIVE,
                Version::Gone(Tombstone { complete: false, .. }) => PENDING,
                Version::Gone(Tombstone { complete: true, .. }) => DESTROYED,
            };
            out.extend_from_slice(&[state, 0, 0, 0]);
            out.extend_from_slice(&version.created_ms().to_be_bytes());
            if let Version::Gone(tombstone) = version {
                out.extend_from_slice(&tombstone.gone_in.to_be_bytes());
                out.extend_from_slice(&tombstone.root);
            }
        }
    }
    for key in document.keys() {
        out.extend_from_slice(key.expose());
    }
    out
}

pub(super) fn parse(plain: &[u8]) -> Result<Document, Error> {
    let bad = |problem| Error::Keyring { version: 0, problem, source: None };
    let (shape, block) = split(plain).map_err(bad)?;
    let pages = lock(block)?;
    shape.fill(&pages).map_err(bad)
}

/// Everything but the keys.
struct Shape {
    lineage: LineageId,
    created_ms: i64,
    changed_ms: i64,
    kits: Vec<(KitKind, u64, i64, Option<i64>)>,
    copies: BTreeMap<String, u64>,
    datasets: BTreeMap<DatasetId, DatasetShape>,
}

struct DatasetShape {
    name: String,
    current: u32,
    versions: BTreeMap<u32, (i64, Option<Tombstone>)>,
}

fn split(plain: &[u8]) -> Result<(Shape, &[[u8; 32]]), Bad> {
    let mut rest = plain;
    let rest = &mut rest;
    if &take::<8>(rest)? != MAGIC {
        return Err("its plaintext is not a keyring");
    }
    if take::<8>(rest)? != [FORMAT, 0, 0, 0, 0, 0, 0, 0] {
        return Err("its format version is unknown to this program");
    }
    let lineage = LineageId(take(rest)?);
    let created_ms = i64::from_be_bytes(take(rest)?);
    let changed_ms = i64::from_be_bytes(take(rest)?);
    let kit_count = count(rest, KITS_MAX)?;
    let copy_count = count(rest, COPIES_MAX)?;
    let dataset_count = count(rest, ENTRIES_MAX)?;
    let key_count = count(rest, usize::MAX)?;

    let mut kits = Vec::new();
    for _ in 0..kit_count {
        let kind = match take::<4>(rest)? {
            [SHARES, needed, total, 0] => KitKind::Shares { needed, total },
            [KEY_FILE, 0, 0, 0] => KitKind::KeyFile,
            _ => return Err("a recovery kit in it is of no known kind"),
        };
        let since = u64::from_be_bytes(take(rest)?);
        let written_ms = i64::from_be_bytes(take(rest)?);
        let tested_ms = Some(i64::from_be_bytes(take(rest)?)).filter(|ms| *ms != i64::MIN);
        kits.push((kind, since, written_ms, tested_ms));
    }
    let mut copies = BTreeMap::new();
    for _ in 0..copy_count {
        let name = take_name(rest)?;
        in_order(copies.last_key_value(), &name)?;
        copies.insert(name, u64::from_be_bytes(take(rest)?));
    }
    let mut datasets = BTreeMap::new();
    for _ in 0..dataset_count {
        let id = DatasetId(take(rest)?);
        in_order(datasets.last_key_value(), &id)?;
        datasets.insert(id, dataset(rest)?);
    }
    let live = datasets.values().flat_map(|d| d.versions.values()).filter(|(_, tombstone)| tombstone.is_none()).count();
    let (block, odd) = rest.as_chunks::<32>();
    if !odd.is_empty() || block.len() != key_count || key_count != 2 + kit_count + live {
        return Err("its key block does not hold the keys that it lists");
    }
    Ok((Shape { lineage, created_ms, changed_ms, kits, copies, datasets }, block))
}

fn dataset(rest: &mut &[u8]) -> Result<DatasetShape, Bad> {
    let name = take_name(rest)?;
    let current = u32::from_be_bytes(take(rest)?);
    let mut versions = BTreeMap::new();
    for _ in 0..count(rest, ENTRIES_MAX)? {
        let key_version = u32::from_be_bytes(take(rest)?);
        in_order(versions.last_key_value(), &key_version)?;
        let state = take::<4>(rest)?;
        let created_ms = i64::from_be_bytes(take(rest)?);
        let tombstone = match state {
            [LIVE, 0, 0, 0] => None,
            [state @ (PENDING | DESTROYED), 0, 0, 0] => {
                let gone_in = u64::from_be_bytes(take(rest)?);
                Some(Tombstone { created_ms, complete: state == DESTROYED, gone_in, root: take(rest)? })
            }
            _ => return Err("a key version in it is in no known state"),
        };
        versions.insert(key_version, (created_ms, tombstone));
    }
    match versions.last_key_value() {
        Some((last, (_, None))) if *last == current => Ok(DatasetShape { name, current, versions }),
        _ => Err("a dataset in it has no current key"),
    }
}

impl Shape {
    fn fill(self, pages: &Arc<Locked>) -> Result<Document, Bad> {
        let mut slots = 0..;
        let mut next = || slots.next().and_then(|slot| DatasetKey::at(pages, slot)).ok_or("its key block is too short");
        let (secret, signing_seed) = (next()?, next()?);
        let mut kits = Vec::new();
        for (kind, since, written_ms, tested_ms) in self.kits {
            kits.push(Kit { root: next()?, kind, since, written_ms, tested_ms });
        }
        let mut datasets = BTreeMap::new();
        for (id, shape) in self.datasets {
            let mut versions = BTreeMap::new();
            for (key_version, (created_ms, tombstone)) in shape.versions {
                let version = match tombstone {
                    None => Version::Live { created_ms, key: next()? },
                    Some(tombstone) => Version::Gone(tombstone),
                };
                versions.insert(key_version, version);
            }
            datasets.insert(id, Dataset { name: shape.name, current: shape.current, versions });
        }
        let Self { lineage, created_ms, changed_ms, copies, .. } = self;
        Ok(Document { lineage, created_ms, changed_ms, secret, signing_seed, kits, copies, datasets })
    }
}

const CUT: Bad = "its plaintext is cut short";

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Bad> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(CUT)?;
    *rest = tail;
    Ok(*head)
}

fn count(rest: &mut &[u8], most: usize) -> Result<usize, Bad> {
    let count = usize::try_from(u32::from_be_bytes(take(rest)?)).map_err(|_| CUT)?;
    if count > most { Err("it lists more than the format allows") } else { Ok(count) }
}

fn take_name(rest: &mut &[u8]) -> Result<String, Bad> {
    let len = usize::from(u16::from_be_bytes(take(rest)?));
    let (name, tail) = rest.split_at_checked(len).ok_or(CUT)?;
    *rest = tail;
    let name = std::str::from_utf8(name).map_err(|_| "a name in it is not text")?;
    if valid_name(name) { Ok(name.to_owned()) } else { Err("a name in it is not one") }
}

fn in_order<K: Ord, V>(last: Option<(&K, V)>, next: &K) -> Result<(), Bad> {
    if last.is_some_and(|(last, _)| last >= next) { Err("its entries are not in order") } else { Ok(()) }
}

pub(crate) fn valid_name(name: &str) -> bool {
    (1..=NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(name.as_bytes());
}

fn number(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()
}
