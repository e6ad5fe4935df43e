//! XML: the element that stands beside others of its name, nearest to the root.

use std::collections::BTreeMap;

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use polder_contract::edit::quoted;

use super::{Recognised, RecognisedDataset, one};
use crate::connection::SourceType;
use crate::proposal::names_somebody;
use crate::xml::DEPTH_MAX;
use crate::xml::path::local;

pub(super) fn recognise(text: &[u8]) -> Recognised {
    let head = text.trim_ascii_start().get(..256).unwrap_or(text.trim_ascii_start()).to_ascii_lowercase();
    if head.starts_with(b"<!doctype html") || head.starts_with(b"<html") {
        return Recognised::Nothing("it is a page for a browser");
    }
    match record(text) {
        Some(path) => one(SourceType::Xml, RecognisedDataset::with_keys([format!("record: {}", quoted(&path))])),
        None => Recognised::Nothing("it is XML without an element inside its root"),
    }
}

/// What is known of elements at one path.
#[derive(Default)]
struct Seen {
    count: u64,
    /// Whether two of them stand in one element.
    repeats: bool,
}

/// Longest name and most different paths that are followed: a document that has more is not recognised further than that.
const NAME_MAX_BYTES: usize = 256;
const PATHS_MAX: usize = 1024;

fn record(text: &[u8]) -> Option<String> {
    let mut reader = Reader::from_reader(text);
    // Each open element with how often each name came in it.
    let mut open: Vec<(String, BTreeMap<String, u64>)> = Vec::new();
    let mut seen: BTreeMap<(usize, String), Seen> = BTreeMap::new();
    let mut first: Option<String> = None;
    loop {
        let (start, stays) = match reader.read_event() {
            Ok(Event::Start(start)) => (start, true),
            Ok(Event::Empty(start)) => (start, false),
            Ok(Event::End(_)) => {
                open.pop();
                continue;
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => continue,
        };
        let name = String::from_utf8_lossy(local(start.name().as_ref().as_bytes())).into_owned();
        if name.len() > NAME_MAX_BYTES || seen.len() >= PATHS_MAX {
            break;
        }
        let path = open.iter().map(|(name, _)| name.as_str()).chain([name.as_str()]).collect::<Vec<_>>().join("/");
        let depth = open.len();
        if let Some((_, children)) = open.last_mut() {
            let times = children.entry(name.clone()).or_default();
            *times += 1;
            let element = seen.entry((depth, path.clone())).or_default();
            element.count += 1;
            element.repeats |= *times > 1;
            first.get_or_insert(path);
        }
        if stays {
            if depth >= DEPTH_MAX {
                break;
            }
            open.push((name, BTreeMap::new()));
        }
    }
    let repeated: Vec<(&(usize, String), &Seen)> = seen.iter().filter(|(_, element)| element.repeats).collect();
    let depth = repeated.iter().map(|((depth, _), _)| *depth).min();
    let best = repeated.into_iter().filter(|((at, _), _)| Some(*at) == depth).max_by_key(|(_, element)| element.count);
    best.map(|((_, path), _)| path.clone()).or(first).filter(|path| !path.split('/').any(names_somebody))
}
