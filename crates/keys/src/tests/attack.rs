//! Whatever is done to the stored keyring: it is refused, and the version named.

use proptest::prelude::*;

use super::*;

/// An installation whose newest version is 3, and the bytes of each version that exists.
struct Target {
    place: Place,
    files: Vec<(u64, Vec<u8>)>,
    runtime: tokio::runtime::Runtime,
}

impl Target {
    fn new() -> Self {
        let place = Place::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let files = runtime.block_on(async {
            let keys = place.create().await;
            recovery::write_kit(&keys, &recovery::KitTarget::KeyFile { path: place.path("kit.key") }, Arc::clone(&place.rng))
                .await
                .unwrap();
            let mut files = Vec::new();
            for version in [1, 2, 3] {
                files.push((version, place.vault().read(version).await.unwrap()));
            }
            files
        });
        Self { place, files, runtime }
    }

    fn newest(&self) -> &[u8] {
        &self.files[2].1
    }

    fn open(&self, min_version: Option<u64>) -> Result<Keys, Error> {
        let place = &self.place;
        let rng = Arc::clone(&place.rng);
        self.runtime.block_on(Keys::open_at_least(place.custody(), place.vault(), place.clock(), rng, min_version))
    }

    /// Opens with `bytes` as the newest version, and puts it back.
    fn with(&self, bytes: &[u8]) -> Result<Keys, Error> {
        let file = self.place.vault().file(3);
        std::fs::write(&file, bytes).unwrap();
        let opened = self.open(None);
        std::fs::write(&file, self.newest()).unwrap();
        opened
    }
}

fn names_version(result: Result<Keys, Error>, version: u64) {
    let error = result.err().expect("must be refused");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let named = [format!("keyring/{version:020}"), format!("version {version}")];
    assert!(named.iter().any(|name| error.to_string().contains(name)), "{error}");
}

#[test]
fn any_flipped_bit_is_refused() {
    let target = Target::new();
    assert!(target.with(target.newest()).is_ok());
    // Every bit of the fixed header and the first wrap's head, and one bit of each other byte: all would take long.
    let header = 40 + 20;
    for at in 0..target.newest().len() {
        for bit in 0..8 {
            if at < header || bit == at % 8 {
                let mut bytes = target.newest().to_vec();
                bytes[at] ^= 1 << bit;
                names_version(target.with(&bytes), 3);
            }
        }
    }
}

#[test]
fn any_cut_and_any_tail_is_refused() {
    let target = Target::new();
    for len in 0..target.newest().len() {
        names_version(target.with(&target.newest()[..len]), 3);
    }
    names_version(target.with(&[target.newest(), b"\0"].concat()), 3);
}

#[test]
fn a_renamed_version_is_refused() {
    let target = Target::new();
    names_version(target.with(&target.files[1].1), 3);
    let vault = target.place.vault();
    std::fs::copy(vault.file(2), vault.file(4)).unwrap();
    names_version(target.open(None), 4);
}

#[test]
fn a_renamed_version_with_a_mended_header_is_refused() {
    let target = Target::new();
    let mut bytes = target.files[1].1.clone();
    bytes[16..24].copy_from_slice(&3u64.to_be_bytes());
    names_version(target.with(&mend(bytes, 1)), 3);
}

/// Makes a changed header's checksum right again, as an attacker would.
fn mend(mut bytes: Vec<u8>, wraps: usize) -> Vec<u8> {
    let end = 40 + wraps * (20 + 216);
    let hash = polder_crypto::sha256(&bytes[..end]);
    bytes[end..end + 32].copy_from_slice(&hash);
    bytes
}

#[test]
fn nobody_adds_or_removes_a_wrap() {
    let target = Target::new();
    let good = target.newest();
    assert_eq!(mend(good.to_vec(), 2), good);
    let mut without = good.to_vec();
    without[9] = 1;
    without.drain(40 + 236..40 + 2 * 236);
    names_version(target.with(&mend(without, 1)), 3);
    // A kit's wrap of another version.
    let mut other = good.to_vec();
    let at = 40 + 236;
    other.splice(at..at, good[at..at + 236].to_vec());
    other[9] = 3;
    names_version(target.with(&mend(other, 3)), 3);
}

#[test]
fn rollback_is_refused() {
    let target = Target::new();
    assert!(target.open(Some(3)).is_ok());
    let keys = target.open(None).unwrap();
    assert!(keys.require_version(3).is_ok());
    names_version(target.open(Some(4)), 4);
    std::fs::remove_file(target.place.vault().file(3)).unwrap();
    names_version(target.open(Some(3)), 3);
    let older = target.open(None).unwrap();
    names_version(older.require_version(3).map(|()| older.clone()), 3);
    // A running process needs no floor from outside.
    names_version(target.runtime.block_on(keys.renew()).map(|()| keys.clone()), 3);
}

#[test]
fn another_installation_with_the_same_root_is_refused() {
    let target = Target::new();
    let keys = target.open(None).unwrap();
    let other = Place::new();
    let rng = Arc::clone(&other.rng);
    let custody = target.place.custody();
    target.runtime.block_on(async {
        let lineage = LineageId([0x22; 16]);
        let foreign = Keys::create(lineage, custody, other.vault(), other.clock(), rng).await.unwrap();
        for at in 0..3 {
            foreign.add_dataset(&format!("table:t{at}")).await.unwrap();
        }
        std::fs::copy(other.vault().file(4), target.place.vault().file(4)).unwrap();
        names_version(keys.renew().await.map(|()| keys.clone()), 4);
    });
    assert_eq!(keys.datasets().len(), 2, "what was held stays");
}

proptest! {
    #![proptest_config(crate::tests::cases(64))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), version: u64) {
        prop_assert!(format::Envelope::parse(version, &bytes).is_err());
        prop_assert!(format::Document::parse(&bytes).is_err());
    }

    /// What parses has one encoding, so nothing hides in a keyring.
    #[test]
    fn a_changed_plaintext_is_refused_or_canonical(at: prop::sample::Index, bit in 0u32..8, cut: prop::sample::Index) {
        let place = Place::seeded(5);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let plain = runtime.block_on(async { place.create().await.read(|document, _, _| Ok(document.encode().to_vec())).unwrap() });
        let mut changed = plain.clone();
        let at = at.index(plain.len());
        changed[at] ^= 1 << bit;
        if let Ok(document) = format::Document::parse(&changed) {
            prop_assert_eq!(document.encode().to_vec(), changed);
        }
        prop_assert!(format::Document::parse(&plain[..cut.index(plain.len())]).is_err());
    }
}
