//! What tasks write into docs/benchmarks.md: each has marks, and what stands between them is the task's alone.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// The page.
pub const BENCHMARKS: &str = "docs/benchmarks.md";

/// Two marks of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    begin: String,
    end: String,
}

impl Marks {
    /// The marks around what `task` writes about `subject`.
    pub fn new(subject: &str, task: &str) -> Self {
        Self {
            begin: format!("<!-- {subject}: written by `cargo xtask {task}` from here -->"),
            end: format!("<!-- {subject}: to here -->"),
        }
    }

    /// Puts text between the marks and leaves the rest of the page as it is.
    pub fn write(&self, page: &Path, text: &str) -> Result<()> {
        let old = std::fs::read_to_string(page).with_context(|| format!("read {}", page.display()))?;
        let new = self.placed(&old, text).with_context(|| format!("write into {}", page.display()))?;
        std::fs::write(page, new).with_context(|| format!("write {}", page.display()))
    }

    /// The page with the text between the marks.
    pub fn placed(&self, old: &str, text: &str) -> Result<String> {
        let Self { begin, end } = self;
        let (Some((before, rest)), true) = (old.split_once(begin), old.contains(end)) else {
            bail!("it has no marks `{begin}` and `{end}`; put them where the text belongs");
        };
        let Some((_, after)) = rest.split_once(end) else {
            bail!("it holds `{end}` before `{begin}`; put them in order");
        };
        Ok(format!("{before}{begin}\n{}\n{end}{after}", text.trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn text_goes_between_the_marks() {
        let [one, three, ten] = ["1", "3", "10"].map(|scale| Marks::new(&format!("scale factor {scale}"), "bench"));
        let page = format!("# Head\n{}\nold\n{}\n{}\nkept\n{}\ntail\n", one.begin, one.end, three.begin, three.end);
        assert_eq!(one.placed(&page, "new\n").unwrap(), page.replace("\nold\n", "\nnew\n"));
        assert!(ten.placed(&page, "new").is_err());
        assert!(one.placed("# Head\n", "new").is_err());
        assert!(one.placed(&format!("{}\n{}\n", one.end, one.begin), "new").is_err());
    }

    #[test]
    fn the_page_has_a_place_for_all_that_is_written() {
        let page = std::fs::read_to_string(workspace::root().join(BENCHMARKS)).unwrap();
        for marks in [crate::bench::marks("1"), crate::bench::marks("3"), crate::times::marks("nightly"), crate::times::marks("times")] {
            assert!(marks.placed(&page, "figures").is_ok(), "{marks:?}");
        }
    }
}
