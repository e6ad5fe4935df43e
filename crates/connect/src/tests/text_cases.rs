//! Fixed width and XML that would be read as something else than they say.

use super::{Read, read};
use crate::Error;

fn fixed(text: &[u8], keys: &str, unit: &str) -> Result<Read, Error> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.txt"), text).unwrap();
    let layout = format!("unit: {unit}\nshort_lines: pad\ncolumns:\n  - {{name: a, start: 1, length: 4}}\n");
    std::fs::write(dir.path().join("l.yaml"), layout).unwrap();
    read(dir.path(), &format!("type: fixed\npath: .\ndatasets: {{d: {{file: f.txt, layout: l.yaml, {keys}}}}}\n"), &["a"])
}

#[test]
fn fixed_width_looks_at_its_mark_too() {
    for unit in ["bytes", "characters"] {
        for encoding in ["latin-1", "windows-1252"] {
            let keys = format!("encoding: {encoding}");
            let error = fixed(b"\xef\xbb\xbfRen\xc3\xa9\n", &keys, unit).unwrap_err();
            assert!(error.to_string().contains("its first bytes say that it is utf-8"), "{unit}, {encoding}: {error}");
            assert_eq!(fixed(b"Ren\xe9\n", &keys, unit).unwrap().texts(), [["René"]], "{unit}, {encoding}");
        }
    }
    assert_eq!(fixed(b"\xef\xbb\xbfRen\xc3\xa9\n", "encoding: utf-8", "characters").unwrap().texts(), [["René"]]);
    // Further on the same bytes are text.
    assert_eq!(fixed(b"a\n\xef\xbb\xbf\n", "encoding: windows-1252", "bytes").unwrap().texts(), [["a"], ["ï»¿"]]);
}
