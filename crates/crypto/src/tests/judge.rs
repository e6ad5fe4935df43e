//! PyPI `tink` opens what we seal, and refuses it after every kind of change. It shares no code with us.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;

const PYTHON: &str = "POLDER_JUDGE_TINK_PYTHON";

/// What Tink is given: an object, its key and its context.
struct Case {
    what: String,
    object: Vec<u8>,
    key: Vec<u8>,
    context: Vec<u8>,
    opens_to: Option<Vec<u8>>,
}

impl Case {
    /// An object as its reader takes it: the context comes from the header as it is, the key from whoever revealed it.
    fn read(what: impl Into<String>, object: Vec<u8>, key: &[u8]) -> Self {
        let context = Header::parse(&object).map(|header| context(Label::Object, &header, PATH)).unwrap_or_default();
        Self { what: what.into(), object, key: key.to_vec(), context, opens_to: None }
    }
}

fn revealed(object: &[u8]) -> Vec<u8> {
    object_key(&KEY, &Header::parse(object).unwrap(), Label::Object, PATH).to_vec()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for len in EDGES {
        let object = sealed(len);
        let case = Case::read(format!("{len} bytes"), object.clone(), &revealed(&object));
        cases.push(Case { opens_to: Some(plaintext(len)), ..case });
    }
    let good = sealed(FIRST + 2 * OTHER + 1000);
    let key = revealed(&good);
    let mut refused = |what: &str, object: Vec<u8>| cases.push(Case::read(what, object, &key));
    for at in [8, 24, 40, 44, 52] {
        let mut object = good.clone();
        object[at] ^= 1;
        refused(&format!("Polder's header, byte {at}"), object);
    }
    for at in [128, 129, 161, 168, 5000, HEADER_LEN + SEGMENT_LEN - 1, HEADER_LEN + SEGMENT_LEN, good.len() - 1] {
        let mut object = good.clone();
        object[at] ^= 1;
        refused(&format!("bit in byte {at}"), object);
    }
    for len in [HEADER_LEN, PREFIX_LEN, PREFIX_LEN + 16, HEADER_LEN + SEGMENT_LEN, HEADER_LEN + 2 * SEGMENT_LEN, good.len() - 1] {
        refused(&format!("cut to {len}"), good[..len].to_vec());
    }
    refused("a byte more", [&good[..], &[0]].concat());
    refused("the last segment twice", [&good[..], &good[HEADER_LEN + 3 * SEGMENT_LEN..]].concat());
    let segment = |i: usize| &good[HEADER_LEN + i * SEGMENT_LEN..HEADER_LEN + (i + 1) * SEGMENT_LEN];
    let (head, tail) = (&good[..HEADER_LEN + SEGMENT_LEN], &good[HEADER_LEN + 3 * SEGMENT_LEN..]);
    refused("segments swapped", [head, segment(2), segment(1), tail].concat());
    refused("a segment left out", [head, segment(2), tail].concat());
    let other = seal(&KEY, &params(PATH), &SeededRng::new(5), &plaintext(FIRST + 2 * OTHER + 1000)).unwrap();
    let foreign = &other[HEADER_LEN + SEGMENT_LEN..HEADER_LEN + 2 * SEGMENT_LEN];
    refused("a segment of another object", [head, foreign, segment(2), tail].concat());
    cases.push(Case::read("another object's key", good.clone(), &revealed(&other)));

    let header = Header::parse(&good).unwrap();
    let renamed = context(Label::Object, &header, "tables/other");
    cases.push(Case { context: renamed, ..Case::read("renamed", good.clone(), &key) });
    let relabelled = context(Label::Temporary, &header, PATH);
    cases.push(Case { context: relabelled, ..Case::read("another label", good.clone(), &key) });
    cases.push(Case { context: Vec::new(), ..Case::read("no context", good, &key) });
    cases
}

/// Without the variable this fails: a judge that was not asked has not agreed.
fn python() -> PathBuf {
    let Some(python) = std::env::var_os(PYTHON) else {
        panic!("the judge was not run: {PYTHON} does not name a Python with `tink` 1.16.1; `cargo xtask test` prepares one");
    };
    python.into()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge_tink.py")
}

fn words(case: &Case, file: &Path) -> [String; 3] {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    // An empty word would be none.
    let context = if case.context.is_empty() { "00".to_owned() } else { hex(&case.context) };
    [file.display().to_string(), hex(&case.key), context]
}

fn verdict(case: &Case) -> String {
    let hash = |plain: &Vec<u8>| sha256(plain).iter().map(|byte| format!("{byte:02x}")).collect();
    case.opens_to.as_ref().map_or_else(|| "refused".to_owned(), hash)
}

#[test]
fn tink_opens_what_we_seal_and_refuses_every_change() {
    let python = python();
    let directory = tempfile::tempdir().unwrap();
    let cases = cases();
    let mut lines = String::new();
    for (at, case) in cases.iter().enumerate() {
        let file = directory.path().join(at.to_string());
        std::fs::write(&file, &case.object).unwrap();
        lines.push_str(&words(case, &file).join(" "));
        lines.push('\n');
    }
    let mut command = Command::new(&python);
    let mut judge = command.arg(script()).arg("--batch").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    judge.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success(), "the judge stopped: {}", output.status);
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verdicts.lines().count(), cases.len());
    for (case, said) in cases.iter().zip(verdicts.lines()) {
        assert_eq!(said, verdict(case), "{}", case.what);
    }
}

/// The form for one object, which scripts use.
#[test]
fn tink_says_by_its_exit_code_what_it_thinks_of_one_object() {
    let python = python();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("object");
    let object = sealed(300_000);
    let mut case = Case { opens_to: Some(plaintext(300_000)), ..Case::read("whole", object.clone(), &revealed(&object)) };
    let ask = |case: &Case| {
        std::fs::write(&file, &case.object).unwrap();
        Command::new(&python).arg(script()).args(words(case, &file)).output().unwrap()
    };
    let said = ask(&case);
    assert_eq!((said.status.code(), String::from_utf8(said.stdout).unwrap().trim()), (Some(0), verdict(&case).as_str()));
    case.object[200_000] ^= 1;
    let said = ask(&case);
    assert_eq!((said.status.code(), said.stdout.len()), (Some(1), 0));
    let usage = Command::new(&python).arg(script()).arg("one").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}
