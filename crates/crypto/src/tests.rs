//! Attacks on the sealed object: whatever is changed, it does not open.

use polder_types::{DatasetId, ErrorKind, LineageId, SeededRng};
use proptest::prelude::*;

use super::*;

mod judge;

const KEY: [u8; 32] = [7; 32];
const PATH: &str = "tables/00000000000000000000000000000002/part-0.parquet";

fn params(path: &str) -> ObjectParams<'_> {
    ObjectParams { label: Label::Object, lineage: LineageId([1; 16]), dataset: DatasetId([2; 16]), key_version: 3, generation: 4, path }
}

fn plaintext(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) ^ (i >> 8)) as u8).collect()
}

fn sealed(len: usize) -> Vec<u8> {
    seal(&KEY, &params(PATH), &SeededRng::new(len as u64), &plaintext(len)).unwrap()
}

fn opens(bytes: &[u8]) -> bool {
    match open(&KEY, Label::Object, PATH, bytes) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            false
        }
    }
}

const FIRST: usize = SEGMENT_LEN - TINK_HEADER_LEN - TAG_LEN;
const OTHER: usize = SEGMENT_LEN - TAG_LEN;
const EDGES: [usize; 10] =
    [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + OTHER - 1, FIRST + OTHER, FIRST + OTHER + 1, FIRST + 2 * OTHER, 300_000];

#[test]
fn an_object_of_any_length_opens() {
    for len in EDGES {
        let bytes = sealed(len);
        assert_eq!(bytes.len() as u64, sealed_len(len as u64));
        assert_eq!(open(&KEY, Label::Object, PATH, &bytes).unwrap(), plaintext(len), "{len}");
    }
}

#[test]
fn every_bit_of_both_headers_counts() {
    let good = sealed(1000);
    assert!(opens(&good));
    for bit in 0..PREFIX_LEN * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!opens(&bad), "bit {bit}");
    }
}

#[test]
fn another_context_does_not_open() {
    let good = sealed(10);
    assert!(open(&KEY, Label::Object, PATH, &good).is_ok());
    assert!(open(&[8; 32], Label::Object, PATH, &good).is_err());
    for label in [Label::Keyring, Label::Temporary, Label::Wrap] {
        assert!(open(&KEY, label, PATH, &good).is_err());
    }
    for path in ["", "tables", "tables/00000000000000000000000000000002/part-1.parquet", &format!("{PATH}\0"), &format!("/{PATH}")] {
        assert!(open(&KEY, Label::Object, path, &good).is_err());
    }
    let changes: [fn(&mut Header); 5] = [
        |h| h.lineage = LineageId([9; 16]),
        |h| h.dataset = DatasetId([9; 16]),
        |h| h.key_version += 1,
        |h| h.generation += 1,
        |h| h.message_id = [9; 32],
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut header = Header::parse(&good).unwrap();
        change(&mut header);
        let mut bad = good.clone();
        bad[..HEADER_LEN].copy_from_slice(&header.encode());
        assert!(matches!(open(&KEY, Label::Object, PATH, &bad), Err(Error::Commitment)), "{i}");
        // Even one who can compute the commitment gets no further: the context is part of the key.
        header.commitment = commitment(&KEY, &header, Label::Object, PATH);
        bad[..HEADER_LEN].copy_from_slice(&header.encode());
        assert!(matches!(open(&KEY, Label::Object, PATH, &bad), Err(Error::Segment { .. })), "{i}");
    }
}

#[test]
fn no_plaintext_before_the_length_is_authenticated() {
    let bytes = sealed(300_000);
    let opener = Opener::new(&KEY, Label::Object, PATH, &bytes[..PREFIX_LEN], bytes.len() as u64).unwrap();
    let segment = |i: u32| {
        let range = opener.sealed_range(i..i + 1);
        &bytes[range.start as usize..range.end as usize]
    };
    let mut out = vec![1, 2, 3];
    assert!(matches!(opener.open_segment(1, segment(1), &mut out), Err(Error::LengthNotAuthenticated)));
    assert!(opener.length_proof().is_none());
    assert_eq!(out, [1, 2, 3]);
    opener.verify_length(segment(opener.last_segment())).unwrap();
    opener.open_segment(1, segment(1), &mut out).unwrap();
    let range = opener.plain_range(1..2);
    assert_eq!(out[3..], plaintext(300_000)[range.start as usize..range.end as usize]);

    let again = Opener::new(&KEY, Label::Object, PATH, &bytes, bytes.len() as u64).unwrap();
    again.accept_length(&opener.length_proof().unwrap()).unwrap();
    out.clear();
    again.open_segment(0, segment(0), &mut out).unwrap();
    assert_eq!(out, plaintext(300_000)[..FIRST]);
}

#[test]
fn a_cut_at_a_segment_boundary_is_found_before_a_middle_segment_opens() {
    let bytes = sealed(300_000);
    let cut = HEADER_LEN + 3 * SEGMENT_LEN;
    let whole = Opener::new(&KEY, Label::Object, PATH, &bytes, bytes.len() as u64).unwrap();
    let opener = Opener::new(&KEY, Label::Object, PATH, &bytes, cut as u64).unwrap();
    assert_eq!(opener.segment_count(), 3);
    let last = opener.sealed_range(2..3);
    assert!(matches!(opener.verify_length(&bytes[last.start as usize..last.end as usize]), Err(Error::Segment { index: 2 })));
    let last = whole.sealed_range(whole.last_segment()..whole.segment_count());
    whole.verify_length(&bytes[last.start as usize..last.end as usize]).unwrap();
    assert!(matches!(opener.accept_length(&whole.length_proof().unwrap()), Err(Error::Length)));
    let other = seal(&KEY, &params(PATH), &SeededRng::new(99), &plaintext(300_000)).unwrap();
    let other = Opener::new(&KEY, Label::Object, PATH, &other, other.len() as u64).unwrap();
    assert!(other.accept_length(&whole.length_proof().unwrap()).is_err());
    assert!(!other.length_authenticated());
}

#[test]
fn a_failed_segment_leaves_nothing_behind() {
    let mut bytes = sealed(200_000);
    let at = HEADER_LEN + SEGMENT_LEN + 5;
    bytes[at] ^= 1;
    let opener = Opener::new(&KEY, Label::Object, PATH, &bytes, bytes.len() as u64).unwrap();
    let mut out = b"before".to_vec();
    assert!(matches!(opener.open_segments(0..4, &bytes[PREFIX_LEN..], &mut out), Err(Error::Segment { index: 1 })));
    assert_eq!(out, b"before");
    let range = opener.sealed_range(2..4);
    opener.open_segments(2..4, &bytes[range.start as usize..], &mut out).unwrap();
    assert!(opener.open_segment(4, &[], &mut out).is_err());
    assert!(opener.open_segment(u32::MAX, &[], &mut out).is_err());
}

#[test]
fn error_texts() {
    let errors = [
        Error::NotSealed,
        Error::UnknownFormat,
        Error::Reserved,
        Error::Commitment,
        Error::Length,
        Error::Segment { index: 7 },
        Error::LengthNotAuthenticated,
        Error::TooLong,
        Error::Cipher,
        Error::Field,
    ];
    let texts: Vec<String> = errors.iter().map(|error| format!("{}: {error}", error.kind().name())).collect();
    insta::assert_snapshot!(texts.join("\n"));
}

/// An example of docs/format/sealed-object.md: the block after `<!-- example: NAME -->`.
fn example(name: &str) -> Vec<u8> {
    let guide = include_str!("../../../docs/format/sealed-object.md");
    let after = guide.split_once(&format!("<!-- example: {name} -->\n```text\n")).unwrap_or_else(|| panic!("no example {name}")).1;
    let digits: Vec<u8> = after.split_once("```").unwrap().0.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Format version 1, for good: a program that cannot open these has lost its users' data. The large one is kept as its
/// SHA-256. PyPI `tink` opens the same objects in `judge`.
#[test]
fn the_examples_of_the_format_are_what_is_written_and_open() {
    let small = example("object");
    assert_eq!(open(&KEY, Label::Object, PATH, &small).unwrap(), b"polder");
    assert_eq!(seal(&KEY, &params(PATH), &SeededRng::new(1), b"polder").unwrap(), small);
    let header = Header::parse(&small).unwrap();
    assert_eq!(object_key(&KEY, &header, Label::Object, PATH).as_slice(), example("object key"));
    assert_eq!(context(Label::Object, &header, PATH), example("context"));
    let empty = example("empty object");
    assert_eq!(open(&KEY, Label::Object, PATH, &empty).unwrap(), b"");
    assert_eq!(seal(&KEY, &params(PATH), &SeededRng::new(2), b"").unwrap(), empty);
    assert_eq!(sha256(&sealed(300_000)).as_slice(), example("large object"));
}

/// Throughput per second of processor time, printed by `cargo nextest run -p polder-crypto throughput --no-capture`. It is not
/// judged here: a shared machine may be busy.
#[test]
fn throughput() {
    let plain = plaintext(128 << 20);
    // Once before, so that the pages are there.
    let mut bytes = seal(&KEY, &params(PATH), &SeededRng::new(1), &plain).unwrap();
    let mut opened = open(&KEY, Label::Object, PATH, &bytes).unwrap();
    let start = processor_ns();
    let (mut sealer, mut prefix) = Sealer::new(&KEY, &params(PATH), &SeededRng::new(1)).unwrap();
    bytes.clear();
    bytes.append(&mut prefix);
    sealer.update(&plain, &mut bytes).unwrap();
    sealer.finish(&mut bytes).unwrap();
    let middle = processor_ns();
    let opener = Opener::new(&KEY, Label::Object, PATH, &bytes, bytes.len() as u64).unwrap();
    opened.clear();
    opener.open_segments(0..opener.segment_count(), &bytes[PREFIX_LEN..], &mut opened).unwrap();
    let end = processor_ns();
    assert!(opened == plain);
    let rate = |ns: u64| plain.len() as f64 / ns.max(1) as f64;
    println!("seal {:.2} GB/s, open {:.2} GB/s of processor time", rate(middle - start), rate(end - middle));
}

/// What this thread spent on a processor, in nanoseconds.
fn processor_ns() -> u64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    spent.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or_default()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn pieces_of_any_size_seal_the_same(len in 0usize..250_000, cuts in proptest::collection::vec(0usize..250_000, 0..12)) {
        let plain = plaintext(len);
        let (mut sealer, mut out) = Sealer::new(&KEY, &params(PATH), &SeededRng::new(len as u64)).unwrap();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(len)).chain([0, len]).collect();
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            sealer.update(&plain[pair[0]..pair[1]], &mut out).unwrap();
        }
        sealer.finish(&mut out).unwrap();
        prop_assert!(out == sealed(len));
    }

    #[test]
    fn any_flipped_bit_fails(len in 0usize..200_000, at: prop::sample::Index, bit in 0u32..8) {
        let mut bytes = sealed(len);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(!opens(&bytes));
    }

    #[test]
    fn any_cut_fails(len in 0usize..200_000, at: prop::sample::Index) {
        let bytes = sealed(len);
        prop_assert!(!opens(&bytes[..at.index(bytes.len())]));
    }

    #[test]
    fn a_cut_to_whole_segments_fails(segments in 1usize..4) {
        prop_assert!(!opens(&sealed(300_000)[..HEADER_LEN + segments * SEGMENT_LEN]));
    }

    #[test]
    fn appended_bytes_fail(len in 0usize..200_000, more in proptest::collection::vec(any::<u8>(), 1..70_000)) {
        let mut bytes = sealed(len);
        bytes.extend_from_slice(&more);
        prop_assert!(!opens(&bytes));
    }

    #[test]
    fn swapped_segments_fail(a in 1usize..5, b in 1usize..5) {
        let mut bytes = sealed(FIRST + 5 * OTHER);
        prop_assume!(a != b);
        for i in 0..SEGMENT_LEN {
            bytes.swap(HEADER_LEN + a * SEGMENT_LEN + i, HEADER_LEN + b * SEGMENT_LEN + i);
        }
        prop_assert!(!opens(&bytes));
    }

    #[test]
    fn segments_of_another_object_fail(index in 0usize..4) {
        let mut bytes = sealed(300_000);
        let other = seal(&KEY, &params(PATH), &SeededRng::new(5), &plaintext(300_000)).unwrap();
        let start = if index == 0 { PREFIX_LEN } else { HEADER_LEN + index * SEGMENT_LEN };
        let end = HEADER_LEN + (index + 1) * SEGMENT_LEN;
        bytes[start..end].copy_from_slice(&other[start..end]);
        prop_assert!(!opens(&bytes));
    }

    #[test]
    fn ranges_open_to_the_right_bytes(a in 0u64..300_000, b in 0u64..300_000) {
        let bytes = sealed(300_000);
        let opener = Opener::new(&KEY, Label::Object, PATH, &bytes, bytes.len() as u64).unwrap();
        let tail = opener.sealed_range(opener.last_segment()..opener.segment_count());
        opener.verify_length(&bytes[tail.start as usize..tail.end as usize]).unwrap();
        let wanted = a.min(b)..a.max(b);
        let segments = opener.segments_for(wanted.clone());
        let at = opener.sealed_range(segments.clone());
        let mut out = Vec::new();
        opener.open_segments(segments.clone(), &bytes[at.start as usize..at.end as usize], &mut out).unwrap();
        let from = opener.plain_range(segments).start;
        if wanted.start < wanted.end {
            prop_assert_eq!(&out[(wanted.start - from) as usize..(wanted.end - from) as usize],
                &plaintext(300_000)[wanted.start as usize..wanted.end as usize]);
        }
    }

    #[test]
    fn a_header_reads_back(lineage: [u8; 16], dataset: [u8; 16], key_version: u32, generation: u64, message_id: [u8; 32], commitment: [u8; 32]) {
        let header = Header { lineage: LineageId(lineage), dataset: DatasetId(dataset), key_version, generation, message_id, commitment };
        prop_assert_eq!(Header::parse(&header.encode()).unwrap(), header);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Header::parse(&bytes);
        prop_assert!(open(&KEY, Label::Object, PATH, &bytes).is_err());
    }
}

/// How many cases a property has: as many as `PROPTEST_CASES` says, else as many as suffice for every day.
fn cases(usual: u32) -> ProptestConfig {
    let config = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(usual),
    };
    // What a property assumes, it may find wanting in proportion.
    ProptestConfig { max_global_rejects: config.cases.saturating_mul(4), ..config }
}
