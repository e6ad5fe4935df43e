//! What `polder audit export` and `audit proof` hand out, judged by others.

use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::digest::{SHA256, digest};

use crate::harness::Project;

/// More than 256 entries, so that there are full tiles and a partial one.
fn long_log() -> Project {
    let project = Project::new();
    project.people_by("1,Ann,41,s\n2,Bob,20,s\n", "replace");
    let contract = std::fs::read_to_string(project.dir().join("contracts/people.odcs.yaml")).unwrap();
    for copy in 1..=7 {
        let contract = contract.replace("name: people\n", &format!("name: people{copy}\n")).replace("7a10\n", &format!("7a1{copy}\n"));
        project.write(&format!("contracts/people{copy}.odcs.yaml"), contract);
        project.run(&["contract", "approve", &format!("people{copy}"), "--yes"]).ok();
    }
    project.run(&["run"]).ok();
    while size(&project) <= 260 {
        project.run(&["run", "--again"]).ok();
    }
    project
}

fn size(project: &Project) -> u64 {
    let status: serde_json::Value = serde_json::from_str(&project.run(&["status", "--output", "json"]).ok()).unwrap();
    status["log_entries"].as_u64().unwrap()
}

/// Export directory, file with the key, origin.
fn exported(project: &Project) -> (PathBuf, PathBuf, serde_json::Value) {
    let export = project.beside("export");
    let out = project.run(&["audit", "export", "--to", export.to_str().unwrap(), "--output", "json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let vkey = project.beside("known.vkey");
    std::fs::write(&vkey, format!("{}\n", report["vkey"].as_str().unwrap())).unwrap();
    (export, vkey, report)
}

/// `judge_tlog.py` accepts the export, and rejects it after one byte of any of its files was flipped. One test for both, since a
/// log with full tiles takes a while.
#[test]
fn an_independent_verifier_accepts_the_export_and_proofs_lead_to_its_root() {
    let project = long_log();
    let (export, vkey, report) = exported(&project);
    let python = std::env::var_os("POLDER_JUDGE_TLOG_PYTHON").expect("the judge's Python; `cargo xtask test` prepares it");
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("../audit/tests/judge_tlog.py");
    let run = Command::new(python).arg(judge).arg(&export).arg(&vkey).arg(report["origin"].as_str().unwrap()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{err}");
    let (entries, files) = (report["entries"].as_u64().unwrap(), report["files"].as_u64().unwrap());
    assert_eq!(out.trim_end(), format!("accepted {entries} entries; rejected {files} of {files} changed files"));
    assert!(entries > 260, "{entries}");
    proofs_lead_to_the_root(&project, &export, entries);
    a_longer_log_is_shown_to_begin_with_the_shorter(&project, &export, entries);
    // Only into a new directory: nothing that lies there is written over.
    project.run(&["audit", "export", "--to", export.to_str().unwrap()]).fails(2);
}

fn hex(bytes: &serde_json::Value) -> Vec<u8> {
    hex::decode(bytes.as_str().unwrap()).unwrap()
}

fn node(left: &[u8], right: &[u8]) -> Vec<u8> {
    digest(&SHA256, &[&[1], left, right].concat()).as_ref().to_vec()
}

/// RFC 9162, 2.1.3.2, which is RFC 6962's tree: the root that a leaf and its path lead to.
pub fn root(mut hash: Vec<u8>, index: u64, size: u64, path: &[Vec<u8>]) -> Option<Vec<u8>> {
    let (mut node_index, mut last) = (index, size.checked_sub(1)?);
    if index > last {
        return None;
    }
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node_index % 2 == 1 || node_index == last {
            hash = node(sibling, &hash);
            while node_index % 2 == 0 && node_index != 0 {
                (node_index, last) = (node_index >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (node_index, last) = (node_index >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

/// RFC 9162, 2.1.4.2: whether a tree of `old` leaves with one root is the beginning of one of `size` leaves with another.
pub fn begins_with(old: u64, old_root: &[u8], size: u64, new_root: &[u8], path: &[Vec<u8>]) -> bool {
    let mut path = path.to_vec();
    if old.is_power_of_two() {
        path.insert(0, old_root.to_vec());
    }
    let (mut node_index, mut last) = (old - 1, size - 1);
    while node_index % 2 == 1 {
        (node_index, last) = (node_index >> 1, last >> 1);
    }
    let Some((first, rest)) = path.split_first() else { return false };
    let (mut old_hash, mut new_hash) = (first.clone(), first.clone());
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node_index % 2 == 1 || node_index == last {
            (old_hash, new_hash) = (node(sibling, &old_hash), node(sibling, &new_hash));
            while node_index % 2 == 0 && node_index != 0 {
                (node_index, last) = (node_index >> 1, last >> 1);
            }
        } else {
            new_hash = node(&new_hash, sibling);
        }
        (node_index, last) = (node_index >> 1, last >> 1);
    }
    last == 0 && old_hash == old_root && new_hash == new_root
}

/// `polder audit proof --since`, for whoever kept the checkpoint of an older export.
fn a_longer_log_is_shown_to_begin_with_the_shorter(project: &Project, export: &Path, entries: u64) {
    let root_of = |checkpoint: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(checkpoint.lines().nth(2).unwrap()).unwrap()
    };
    let kept = root_of(&std::fs::read_to_string(export.join("checkpoint")).unwrap());
    project.run(&["sql", "select count(*) from people"]).ok();
    let size = size(project);
    assert!(size > entries);
    for since in [1, 2, 3, 128, 255, 256, 257, entries] {
        let proof = project.json(&["audit", "proof", "--since", &since.to_string()]);
        assert_eq!((proof["old_size"].as_u64(), proof["size"].as_u64()), (Some(since), Some(size)));
        let (old_root, new_root) = (hex(&proof["old_root"]), hex(&proof["root"]));
        assert_eq!(new_root, root_of(proof["checkpoint"].as_str().unwrap()));
        if since == entries {
            assert_eq!(old_root, kept, "the root that was signed then");
        }
        let path: Vec<Vec<u8>> = proof["path"].as_array().unwrap().iter().map(hex).collect();
        assert!(begins_with(since, &old_root, size, &new_root, &path), "since {since}");
        for changed in 0..path.len() {
            let mut path = path.clone();
            path[changed][7] ^= 1;
            assert!(!begins_with(since, &old_root, size, &new_root, &path));
        }
        let mut other = old_root.clone();
        other[0] ^= 1;
        assert!(!begins_with(since, &other, size, &new_root, &path));
    }
    project.run(&["audit", "proof", "--since", &(size + 1).to_string()]).fails(2);
    project.run(&["audit", "proof"]).fails(2);
    project.run(&["audit", "proof", "1", "--since", "1"]).fails(2);
}

/// The leaves' bytes as the export holds them: tlog-tiles entry bundles.
fn leaves(export: &Path, size: u64) -> Vec<Vec<u8>> {
    let mut leaves = Vec::new();
    for tile in 0..size.div_ceil(256) {
        let rest = (size - tile * 256).min(256);
        let suffix = if rest == 256 { String::new() } else { format!(".p/{rest}") };
        let bytes = std::fs::read(export.join(format!("tile/entries/{tile:03}{suffix}"))).unwrap();
        let mut at = 0;
        while at < bytes.len() {
            let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            leaves.push(bytes[at + 2..at + 2 + length].to_vec());
            at += 2 + length;
        }
    }
    leaves
}

/// `polder audit proof` of an entry leads from its bytes in the export to the root that the judge found signed.
fn proofs_lead_to_the_root(project: &Project, export: &Path, entries: u64) {
    let leaves = leaves(export, entries);
    assert_eq!(leaves.len() as u64, entries);
    let checkpoint = std::fs::read_to_string(export.join("checkpoint")).unwrap();
    for index in [0, 1, 2, 127, 128, 255, 256, entries - 2, entries - 1] {
        let proof: serde_json::Value = serde_json::from_str(&project.run(&["audit", "proof", &index.to_string()]).ok()).unwrap();
        assert_eq!((proof["index"].as_u64(), proof["size"].as_u64()), (Some(index), Some(entries)));
        // The signature over the root is what the judge verified in the export.
        assert_eq!(proof["checkpoint"].as_str().unwrap(), checkpoint);
        let leaf = digest(&SHA256, &[&[0], leaves[index as usize].as_slice()].concat()).as_ref().to_vec();
        assert_eq!(hex(&proof["leaf_hash"]), leaf, "entry {index}");
        let path: Vec<Vec<u8>> = proof["path"].as_array().unwrap().iter().map(hex).collect();
        let signed = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.decode(checkpoint.lines().nth(2).unwrap()).unwrap()
        };
        assert_eq!(checkpoint.lines().nth(1), Some(entries.to_string().as_str()));
        assert_eq!(hex(&proof["root"]), signed);
        assert_eq!(root(leaf.clone(), index, entries, &path), Some(signed.clone()), "entry {index}");
        // Any other leaf, place or path does not lead there.
        assert_ne!(root(digest(&SHA256, b"other").as_ref().to_vec(), index, entries, &path), Some(signed.clone()));
        assert_ne!(root(leaf.clone(), index ^ 1, entries, &path), Some(signed.clone()));
        for changed in 0..path.len() {
            let mut path = path.clone();
            path[changed][7] ^= 1;
            assert_ne!(root(leaf.clone(), index, entries, &path), Some(signed.clone()));
        }
        assert_ne!(root(leaf, index, entries, &path[1..]), Some(signed));
    }
    let err = project.run(&["audit", "proof", &entries.to_string()]).fails(2);
    assert!(err.contains(&entries.to_string()), "{err}");
}
