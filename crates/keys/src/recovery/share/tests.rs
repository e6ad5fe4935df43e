use polder_types::{SeededRng, SystemRng};
use proptest::prelude::*;

use super::*;

fn root(seed: u64) -> DatasetKey {
    DatasetKey::random(&SeededRng::new(seed)).unwrap()
}

fn dealt(needed: u8, total: u8) -> Vec<Share> {
    deal(LineageId([1; 16]), &root(1), needed, total, &SystemRng).unwrap()
}

fn copy(share: &Share) -> Share {
    Share::parse(1, share.to_text().as_bytes()).unwrap()
}

#[test]
fn a_typing_error_is_found() {
    let share = dealt(2, 3).remove(1);
    let text = share.to_text();
    assert!(Share::parse(1, text.as_bytes()).is_ok());
    for at in 0..text.len() {
        let mut bad = text.as_bytes().to_vec();
        bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
        let error = Share::parse(4, &bad).err().unwrap_or_else(|| panic!("changed at {at} and read all the same"));
        assert!(error.to_string().contains("share 4"), "{error}");
    }
}

#[test]
fn blanks_and_line_ends_may_differ() {
    let share = dealt(2, 3).remove(0);
    let text = share.to_text().replace('\n', "\r\n\r\n");
    let lines: Vec<String> = text.lines().map(|line| format!("  {line} ")).collect();
    let read = Share::parse(1, lines.join("\r\n").as_bytes()).unwrap();
    assert_eq!(*read.value, *share.value);
}

#[test]
fn one_share_fewer_says_nothing() {
    // With one of two shares, each value of the other gives another root: all are possible.
    let shares = dealt(2, 2);
    let mut other = copy(&shares[1]);
    other.value[0] ^= 1;
    assert!(matches!(join(&[copy(&shares[0]), other]), Err(Error::Shares { .. })));
    assert!(matches!(join(&shares[..1]), Err(Error::TooFewShares { given: 1, needed: 2 })));
    assert!(matches!(join(&[]), Err(Error::TooFewShares { given: 0, .. })));
}

#[test]
fn no_randomness_no_shares() {
    #[derive(Debug)]
    struct Broken;
    impl polder_types::Rng for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), polder_types::random::RandomError> {
            Err(polder_types::random::RandomError)
        }
    }
    assert!(matches!(deal(LineageId([1; 16]), &root(1), 2, 3, &Broken), Err(Error::Random(_))));
}

proptest! {
    #![proptest_config(crate::tests::cases(40))]

    #[test]
    fn any_k_of_n_join(needed in 2u8..=8, more in 0u8..=8, skip in 0usize..16, seed: u64) {
        let total = needed + more;
        let secret = root(seed);
        let mut shares = deal(LineageId([1; 16]), &secret, needed, total, &SeededRng::new(seed ^ 1)).unwrap();
        shares.rotate_left(skip % usize::from(total));
        shares.truncate(usize::from(needed));
        let shares: Vec<Share> = shares.iter().map(copy).collect();
        let (joined, lineage) = join(&shares).unwrap();
        prop_assert!(joined.expose() == secret.expose());
        prop_assert_eq!(lineage, LineageId([1; 16]));
        prop_assert!(join(&shares[1..]).is_err());
    }
}
