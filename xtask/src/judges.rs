//! Independent judges: programs that others wrote, which say whether our formats are what we claim.
//! They live in virtual environments outside the clone, made once.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{announce, capture, command, which};
use crate::workspace;

/// A package from PyPI that judges us, and the Python that it runs on.
pub struct Judge {
    /// The variable through which tests find its Python.
    pub variable: &'static str,
    package: &'static str,
    version: &'static str,
    why: &'static str,
    oldest: (u32, u32),
    newest: (u32, u32),
}

/// `tink` 1.16.1 has wheels up to Python 3.11 only; `aics-tlog` uses the syntax of 3.12.
pub const JUDGES: [Judge; 2] = [
    Judge {
        variable: "POLDER_JUDGE_TINK_PYTHON",
        package: "tink",
        version: "1.16.1",
        why: "opens sealed objects",
        oldest: (3, 11),
        newest: (3, 11),
    },
    Judge {
        variable: "POLDER_JUDGE_TLOG_PYTHON",
        package: "aics-tlog",
        version: "0.2.1",
        why: "verifies the exported audit log",
        oldest: (3, 12),
        newest: (3, 14),
    },
];

impl Judge {
    /// The judge's Python, its environment made when it is missing or broken.
    pub fn prepare(&self) -> Result<PathBuf> {
        let folder = workspace::cache()?.join("judges").join(format!("{}-{}", self.package, self.version));
        let python = environment(&folder, self.oldest, self.newest, &[&format!("{}=={}", self.package, self.version)])
            .with_context(|| format!("prepare the judge {} {}, which {}", self.package, self.version, self.why))?;
        Ok(python)
    }
}

/// A virtual environment with exactly these packages; used as it stands when it holds them already.
pub fn environment(folder: &Path, oldest: (u32, u32), newest: (u32, u32), packages: &[&str]) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    if holds(&python, packages) {
        return Ok(python);
    }
    let base = find_python(oldest, newest)?;
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    }
    announce(command(&base).args(["-m", "venv", "--clear"]).arg(folder))?;
    announce(
        command(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]).args(packages),
    )?;
    if !holds(&python, packages) {
        bail!("{} was installed but does not hold {}; remove the folder and try again", folder.display(), packages.join(", "));
    }
    Ok(python)
}

/// Whether each `name==version` is installed there.
fn holds(python: &Path, packages: &[&str]) -> bool {
    let program =
        "import sys\nfrom importlib.metadata import version\nfor p in sys.argv[1:]:\n    n, v = p.split('==')\n    assert version(n) == v";
    python.is_file() && capture(command(python).args(["-c", program]).args(packages), "ask a Python for its packages").is_ok()
}

/// Any Python of a wanted version that can make virtual environments: on PATH, or installed through pyenv.
fn find_python(oldest: (u32, u32), newest: (u32, u32)) -> Result<PathBuf> {
    for candidate in candidates(oldest, newest) {
        let program = "import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])";
        let Ok(answer) = capture(command(&candidate).args(["-c", program]), "ask a Python for its version") else {
            continue;
        };
        let mut numbers = answer.split_whitespace().filter_map(|number| number.parse::<u32>().ok());
        if let (Some(major), Some(minor)) = (numbers.next(), numbers.next())
            && (oldest..=newest).contains(&(major, minor))
        {
            return Ok(candidate);
        }
    }
    let wanted = if oldest == newest {
        format!("Python {}.{}", oldest.0, oldest.1)
    } else {
        format!("Python {}.{} to {}.{}", oldest.0, oldest.1, newest.0, newest.1)
    };
    bail!(
        "{wanted} with venv was found neither on PATH nor under pyenv; install it (Debian 12 has 3.11 as python3 python3-venv; pyenv has all), then try again"
    )
}

/// Newest last among the named ones, since the oldest that fits has most wheels.
fn candidates(oldest: (u32, u32), newest: (u32, u32)) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = (oldest.1..=newest.1).filter_map(|minor| which(&format!("python3.{minor}"))).collect();
    found.extend(which("python3"));
    found.extend([PathBuf::from("/usr/bin/python3")]);
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv")));
    let versions = pyenv.and_then(|root| std::fs::read_dir(root.join("versions")).ok());
    let mut installed: Vec<PathBuf> = versions.into_iter().flatten().flatten().map(|entry| entry.path().join("bin/python")).collect();
    installed.sort();
    found.extend(installed.into_iter().filter(|python| python.is_file()));
    found
}
