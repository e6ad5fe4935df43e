//! The worked example of `docs/format/audit-log.md` is what the code writes, byte for byte.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::memory::MemoryShelf;
use super::*;

#[tokio::test]
async fn the_worked_example_is_what_the_code_writes() {
    let memory = MemoryShelf::new();
    let shelf: Arc<dyn Shelf> = Arc::clone(&memory) as _;
    let journal = create(&shelf, 1, None).await.unwrap();
    journal.set_epoch(1);
    record(&journal, 0, 2).await;
    let entries = journal.entries(0..2).await.unwrap();
    let objects = memory.objects.lock().clone();
    let side = memory.names("private", "").remove(0);
    let opened: serde_json::Value = serde_json::from_slice(&objects[&("private", side.clone())]).unwrap();
    let batch = &objects[&("journal", crate::batch::path(0))];
    let mut example = vec![
        ("vkey", journal.vkey()),
        ("side object's name", side),
        ("key of the actor's commitment", opened["entries"][0]["actor"]["key"].as_str().unwrap().to_owned()),
        ("length of the first batch", format!("{} bytes", batch.len())),
        ("leaf 0", String::from_utf8(entries[0].leaf.to_vec()).unwrap()),
        ("leaf hash 0", entries[0].leaf_hash.to_string()),
        ("leaf hash 1", entries[1].leaf_hash.to_string()),
        ("root", crate::node_hash(entries[0].leaf_hash, entries[1].leaf_hash).to_string()),
        ("root in base64", BASE64.encode(crate::node_hash(entries[0].leaf_hash, entries[1].leaf_hash).0)),
    ];
    let checkpoint = journal.checkpoint();
    example.extend(checkpoint.lines().filter(|line| !line.is_empty()).map(|line| ("line of the checkpoint", line.to_owned())));
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format/audit-log.md");
    let document = std::fs::read_to_string(path).unwrap();
    let missing: Vec<String> =
        example.iter().filter(|(_, text)| !document.contains(text)).map(|(what, text)| format!("{what}: {text}")).collect();
    assert!(missing.is_empty(), "docs/format/audit-log.md lacks\n{}", missing.join("\n"));
}
