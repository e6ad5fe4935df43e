use std::os::unix::fs::PermissionsExt;

use polder_types::{ErrorKind, SeededRng};

use super::*;

fn rng() -> Arc<dyn Rng> {
    Arc::new(SystemRng)
}

fn passphrase(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn wraps_open_with_their_context_and_root_only() {
    let directory = tempfile::tempdir().unwrap();
    let custody = LocalCustody::create_key_file(&directory.path().join("a"), rng()).unwrap();
    let other = LocalCustody::create_key_file(&directory.path().join("b"), rng()).unwrap();
    let wrapped = custody.wrap(b"secret", b"context").await.unwrap();
    assert_eq!(custody.unwrap(&wrapped, b"context").await.unwrap().expose_secret(), b"secret");
    assert!(matches!(custody.unwrap(&wrapped, b"contexT").await, Err(Error::Unwrap { .. })));
    assert!(matches!(other.unwrap(&wrapped, b"context").await, Err(Error::OtherRoot { .. })));
    assert!(!wrapped.windows(6).any(|window| window == b"secret"));
    for at in 0..wrapped.len() {
        let mut bad = wrapped.clone();
        bad[at] ^= 1;
        assert!(custody.unwrap(&bad, b"context").await.is_err(), "{at}");
    }
    let again = LocalCustody::open_key_file(&directory.path().join("a")).unwrap();
    assert_eq!(again.unwrap(&wrapped, b"context").await.unwrap().expose_secret(), b"secret");
    assert_eq!(again.describe(), custody.describe());
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    LocalCustody::create_key_file(&path, rng()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for open in [0o640, 0o604, 0o620, 0o602, 0o601, 0o666] {
        mode(&path, open);
        let error = LocalCustody::open_key_file(&path).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    }
    for closed in [0o600, 0o400] {
        mode(&path, closed);
        assert!(LocalCustody::open_key_file(&path).is_ok());
    }
    assert!(matches!(LocalCustody::create_key_file(&path, rng()), Err(Error::FileExists { .. })));
}

#[test]
fn a_changed_key_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    LocalCustody::create_key_file(&path, rng()).unwrap();
    let good = std::fs::read(&path).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(LocalCustody::open_key_file(&path), Err(Error::FileDamaged { .. })), "{bit}");
    }
    for bad in [&good[..63], &[], &[good.as_slice(), b"\n"].concat()] {
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(LocalCustody::open_key_file(&path), Err(Error::FileDamaged { .. })));
    }
}

#[test]
fn a_passphrase_opens_its_file_and_no_other_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.pass");
    let short = LocalCustody::create_passphrase(&path, passphrase("elevenchars"), rng());
    assert!(matches!(short, Err(Error::PassphraseShort { least: 12 })));
    let made = LocalCustody::create_passphrase(&path, passphrase("twelve chars"), rng()).unwrap();
    let opened = LocalCustody::open_passphrase(&path, passphrase("twelve chars")).unwrap();
    assert_eq!(opened.describe(), made.describe());
    let wrong = LocalCustody::open_passphrase(&path, passphrase("twelve Chars")).err().unwrap();
    assert!(matches!(wrong, Error::PassphraseWrong { .. }) && wrong.kind() == ErrorKind::Denied);
    assert!(matches!(LocalCustody::open_key_file(&path), Err(Error::RootKind { passphrase: true, .. })));
    let key_file = directory.path().join("root.key");
    LocalCustody::create_key_file(&key_file, rng()).unwrap();
    let other = LocalCustody::open_passphrase(&key_file, passphrase("twelve chars"));
    assert!(matches!(other, Err(Error::RootKind { passphrase: false, .. })));
}

#[test]
fn a_changed_passphrase_file_is_refused_without_harm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.pass");
    LocalCustody::create_passphrase(&path, passphrase("twelve chars"), rng()).unwrap();
    let good = std::fs::read(&path).unwrap();
    // A flip in each field: magic, kind, id, memory (to 2 GiB and more), iterations, lanes, zero, salt, sealed root.
    for (at, bit) in [(0, 0), (9, 0), (20, 3), (32, 7), (33, 5), (36, 7), (43, 5), (47, 0), (50, 2), (90, 1), (295, 7)] {
        let mut bad = good.clone();
        bad[at] ^= 1 << bit;
        std::fs::write(&path, bad).unwrap();
        assert!(LocalCustody::open_passphrase(&path, passphrase("twelve chars")).is_err(), "{at}");
    }
    std::fs::write(&path, &good).unwrap();
    assert!(LocalCustody::open_passphrase(&path, passphrase("twelve chars")).is_ok());
}

#[tokio::test]
async fn a_file_that_is_gone_is_silence() {
    let directory = tempfile::tempdir().unwrap();
    for (name, custody) in [
        ("a", LocalCustody::create_key_file(&directory.path().join("a"), rng()).unwrap()),
        ("b", LocalCustody::create_passphrase(&directory.path().join("b"), passphrase("twelve chars"), rng()).unwrap()),
    ] {
        let wrapped = custody.wrap(b"secret", b"").await.unwrap();
        std::fs::remove_file(directory.path().join(name)).unwrap();
        let error = custody.unwrap(&wrapped, b"").await.unwrap_err();
        assert!(matches!(error, Error::CustodyUnreachable { .. }), "{error}");
    }
}

#[test]
fn roots_are_not_kept_in_the_files_name_or_twice_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let one = LocalCustody::create_key_file(&directory.path().join("a"), Arc::new(SeededRng::new(1))).unwrap();
    let two = LocalCustody::create_key_file(&directory.path().join("b"), Arc::new(SeededRng::new(2))).unwrap();
    assert_ne!(one.describe().root, two.describe().root);
}
