//! JSON: lines, a list, or a document with a list somewhere in it.

use polder_types::limit::JSON_DEPTH_MAX;
use serde::de::IgnoredAny;

use polder_contract::edit::quoted;

use super::{Recognised, RecognisedDataset, one};
use crate::connection::SourceType;
use crate::json::path::escaped;
use crate::proposal::names_somebody;

pub(super) fn recognise(text: &[u8], ending: &str, whole: bool) -> Recognised {
    let text = text.trim_ascii_start();
    if text.first() == Some(&b'[') {
        let inside = text.get(1..).unwrap_or_default().trim_ascii_start();
        return match inside.first() {
            Some(b'{') => one(SourceType::Json, RecognisedDataset::default()),
            _ => Recognised::Nothing("it is a JSON list of what are no objects"),
        };
    }
    if is_lines(text, ending, whole) {
        return one(SourceType::Ndjson, RecognisedDataset::default());
    }
    match largest_list(text) {
        Some(path) if names_somebody(&path) => Recognised::Nothing("a key in it is itself personal data; name it otherwise at the source"),
        Some(path) => one(SourceType::Json, RecognisedDataset::with_keys([format!("records: {}", quoted(&path))])),
        None => Recognised::Nothing("it is one JSON object without a list of objects in it"),
    }
}

/// Whether each line is an object: the first one is, and the next one begins as one, or it is the only one of a file that says so.
fn is_lines(text: &[u8], ending: &str, whole: bool) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return false };
    let is_object = serde_json::from_slice::<IgnoredAny>(first).is_ok();
    match lines.next() {
        Some(next) => is_object && next.first() == Some(&b'{'),
        None => matches!(ending, "ndjson" | "jsonl") && (is_object || !whole),
    }
}

/// What the scan is inside of.
enum Frame {
    /// An object, and the key whose value comes.
    Object(Option<String>),
    /// A list, and where it began when its elements are objects and no other list is around it.
    List(Option<(String, usize)>),
}

/// The path of the list of objects that takes most of the text, and is in no other list.
fn largest_list(text: &[u8]) -> Option<String> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut best: Option<(usize, String)> = None;
    let mut take = |candidate: Option<(String, usize)>, end: usize| {
        if let Some((path, start)) = candidate
            && best.as_ref().is_none_or(|(length, _)| end - start > *length)
        {
            best = Some((end - start, path));
        }
    };
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let Some(end) = string_end(text, at) else { break };
                if let Some(Frame::Object(key)) = frames.last_mut()
                    && text.get(end..).unwrap_or_default().trim_ascii_start().first() == Some(&b':')
                {
                    *key = text.get(at..end).and_then(|key| serde_json::from_slice(key).ok());
                }
                at = end;
                continue;
            }
            // Deeper than a document may be.
            b'{' | b'[' if frames.len() >= JSON_DEPTH_MAX => break,
            b'{' => frames.push(Frame::Object(None)),
            b'[' => {
                let of_objects = text.get(at + 1..).unwrap_or_default().trim_ascii_start().first() == Some(&b'{');
                let start = if of_objects { path(&frames).map(|path| (path, at)) } else { None };
                frames.push(Frame::List(start));
            }
            b'}' => drop(frames.pop()),
            b']' => {
                if let Some(Frame::List(candidate)) = frames.pop() {
                    take(candidate, at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    // What was looked at ends in the middle.
    for frame in frames {
        if let Frame::List(candidate) = frame {
            take(candidate, text.len());
        }
    }
    best.map(|(_, path)| path)
}

/// Keys from the outside in; none inside a list.
fn path(frames: &[Frame]) -> Option<String> {
    let keys = frames.iter().map(|frame| match frame {
        Frame::Object(key) => key.as_deref().map(escaped),
        Frame::List(_) => None,
    });
    keys.collect::<Option<Vec<String>>>().map(|keys| keys.join("."))
}

/// Just behind a string that begins there.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match text.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}
