//! docs/format/keyring.md tells every byte; here its examples are executed.

use super::*;
use crate::approver::ApproverKey;
use crate::recovery::{KitSource, KitTarget};

const GUIDE: &str = include_str!("../../../../docs/format/keyring.md");

/// The example of a name: the fenced block after the line `<!-- example: NAME -->`.
fn example(name: &str) -> &'static str {
    let marker = format!("<!-- example: {name} -->\n```text\n");
    let after = GUIDE.split_once(&marker).unwrap_or_else(|| panic!("no example {name}")).1;
    after.split_once("```").unwrap().0
}

fn bytes(name: &str) -> Vec<u8> {
    let digits: String = example(name).split_whitespace().collect();
    hex::decode(digits).unwrap()
}

/// Bytes as the guide shows them.
fn shown(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| format!("{}\n", hex::encode(line))).collect()
}

/// Every example as this program writes it. Random bytes come from SplitMix64, seed 1 (the passphrase file: seed 2).
async fn written() -> Vec<(&'static str, String)> {
    let place = Place::seeded(1);
    let rng = || Arc::clone(&place.rng);
    let custody = Arc::new(LocalCustody::create_key_file(&place.key_file(), rng()).unwrap());
    let keys = Keys::create(LINEAGE, custody, place.vault(), place.clock(), rng()).await.unwrap();
    keys.add_dataset("table:flights").await.unwrap();
    let directory = place.path("kit");
    std::fs::create_dir(&directory).unwrap();
    let kit = recovery::write_kit(&keys, &KitTarget::Shares { directory, needed: 2, total: 3 }, rng()).await.unwrap();
    let approver = ApproverKey::create(&place.path("ann.key"), "ann", rng()).unwrap();
    let passphrase = LocalCustody::create_passphrase(&place.path("root.pass"), passphrase(), Arc::new(SeededRng::new(2))).unwrap();
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    let line = |bytes: &[u8]| format!("{}\n", hex::encode(bytes));
    vec![
        ("key file", shown(&std::fs::read(place.key_file()).unwrap())),
        ("passphrase file", shown(&std::fs::read(place.path("root.pass")).unwrap())),
        ("passphrase root id", line(&passphrase.describe().root)),
        ("keyring file", shown(&place.vault().read(3).await.unwrap())),
        ("keyring plaintext", shown(&keys.read(|document, _, _| Ok(document.encode().to_vec())).unwrap())),
        ("derived secret", line(keys.derive("example").unwrap().expose_secret())),
        ("journal public key", line(&keys.verifying_key())),
        ("share 1", text(&kit.files[0])),
        ("share 3", text(&kit.files[2])),
        ("approver", format!("{}{}\n", text(&place.path("ann.key")), approver.vkey())),
    ]
}

fn passphrase() -> polder_types::Secret<String> {
    polder_types::Secret::new("correct horse battery staple".to_owned())
}

#[tokio::test]
async fn the_examples_are_what_is_written() {
    for (name, now) in written().await {
        assert_eq!(example(name), now, "{name}");
    }
}

/// A program that cannot open these has lost its users' data.
#[tokio::test]
async fn the_examples_open() {
    let place = Place::new();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(place.path(name), bytes).unwrap();
        set_mode(&place.path(name), 0o600);
        place.path(name)
    };
    write("root.key", &bytes("key file"));
    place.vault().create(3, bytes("keyring file")).await.unwrap();
    let keys = place.open().await.unwrap();
    assert_eq!(keys.lineage(), LINEAGE);
    let flights = keys.find("table:flights").unwrap();
    let plain = bytes("keyring plaintext");
    assert_eq!(keys.seal_key(flights).unwrap().1.expose(), plain.last_chunk::<32>().unwrap());
    assert_eq!(hex::encode(keys.derive("example").unwrap().expose_secret()), example("derived secret").trim());
    assert_eq!(hex::encode(keys.verifying_key()), example("journal public key").trim());

    let shares = vec![write("1.txt", example("share 1").as_bytes()), write("3.txt", example("share 3").as_bytes())];
    let source = KitSource::ShareFiles(shares);
    assert_eq!(recovery::test(&keys, &source).await.unwrap().keyring_version, 3);

    let custody = LocalCustody::open_passphrase(&write("root.pass", &bytes("passphrase file")), passphrase()).unwrap();
    assert_eq!(hex::encode(custody.describe().root), example("passphrase root id").trim());

    let lines: Vec<&str> = example("approver").lines().collect();
    let approver = ApproverKey::open(&write("ann.key", format!("{}\n", lines[0]).as_bytes())).unwrap();
    assert_eq!(approver.vkey(), lines[1]);
}
