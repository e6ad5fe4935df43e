//! What a process holds, second by second, and whether it grows.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A level may grow by this share from the end of the warm-up to the end.
const GROWTH_MAX: f64 = 0.10;
/// The first quarter is a warm-up.
const WARM_UP: f64 = 0.25;
/// A line through fewer says nothing.
const SAMPLES_MIN: usize = 10;

/// What a process held at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Since the beginning.
    pub seconds: f64,
    /// Resident memory, in MB.
    pub megabytes: f64,
    /// Open file descriptors.
    pub descriptors: f64,
}

/// Whatever is looked at.
pub struct Process {
    folder: PathBuf,
}

impl Process {
    pub fn new(id: u32) -> Self {
        Self { folder: PathBuf::from(format!("/proc/{id}")) }
    }

    /// What it holds now.
    pub fn sample(&self, at: Duration) -> Result<Sample> {
        let path = self.folder.join("status");
        let status = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let number = |key: &str| -> Result<f64> {
            let value = status.lines().find_map(|line| line.strip_prefix(key)).and_then(|rest| rest.split_whitespace().next());
            value.and_then(|value| value.parse().ok()).with_context(|| format!("find {key} in {}", path.display()))
        };
        // Polder lets nobody but root look at what it has open; all may see how much room the kernel keeps for it.
        let descriptors = match std::fs::read_dir(self.folder.join("fd")) {
            Ok(open) => number_of(open.count()),
            Err(_) => number("FDSize:")?,
        };
        Ok(Sample { seconds: at.as_secs_f64(), megabytes: number("VmRSS:")? / 1000.0, descriptors })
    }
}

#[allow(clippy::cast_precision_loss, reason = "there are some hundred")]
fn number_of(count: usize) -> f64 {
    count as f64
}

/// How a level moved after the warm-up, by the straight line that fits it best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The line's beginning and end.
    pub from: f64,
    pub to: f64,
    /// The highest level of all.
    pub most: f64,
}

impl Growth {
    /// Of `(seconds, level)` over the whole time.
    fn of(levels: &[(f64, f64)]) -> Result<Self> {
        let end = levels.last().map_or(0.0, |(seconds, _)| *seconds);
        let kept: Vec<(f64, f64)> = levels.iter().copied().filter(|(seconds, _)| *seconds >= end * WARM_UP).collect();
        if kept.len() < SAMPLES_MIN {
            bail!("{} samples are too few to tell whether it grows; give it more seconds", kept.len());
        }
        let number = number_of(kept.len());
        let mean = |value: fn(&(f64, f64)) -> f64| kept.iter().map(value).sum::<f64>() / number;
        let (middle, level) = (mean(|(seconds, _)| *seconds), mean(|(_, level)| *level));
        let spread: f64 = kept.iter().map(|(seconds, _)| (seconds - middle).powi(2)).sum();
        let slope = kept.iter().map(|(seconds, found)| (seconds - middle) * (found - level)).sum::<f64>() / spread.max(f64::MIN_POSITIVE);
        let on_line = |seconds: f64| slope.mul_add(seconds - middle, level);
        let first = kept.first().map_or(0.0, |(seconds, _)| *seconds);
        let most = levels.iter().map(|(_, level)| *level).fold(0.0, f64::max);
        Ok(Self { from: on_line(first), to: on_line(end), most })
    }

    fn share(self) -> f64 {
        (self.to - self.from) / self.from.max(f64::MIN_POSITIVE)
    }
}

/// Tells how memory and descriptors moved, and fails where one grew.
pub fn judge(samples: &[Sample]) -> Result<String> {
    let mut told = Vec::new();
    let mut grown = Vec::new();
    for (what, unit, level) in [
        ("resident memory", " MB", (|sample| sample.megabytes) as fn(&Sample) -> f64),
        ("file descriptors", "", |sample| sample.descriptors),
    ] {
        let levels: Vec<(f64, f64)> = samples.iter().map(|sample| (sample.seconds, level(sample))).collect();
        let growth = Growth::of(&levels).with_context(|| format!("look at the {what} of `polder serve`"))?;
        let Growth { from, to, most } = growth;
        let percent = growth.share() * 100.0;
        told.push(format!(
            "{what}: a line from {from:.0}{unit} to {to:.0}{unit} after the warm-up ({percent:+.1} %), at most {most:.0}{unit}"
        ));
        if growth.share() > GROWTH_MAX {
            grown.push(what);
        }
    }
    let told = told.join("\n");
    if !grown.is_empty() {
        bail!("{} of `polder serve` grew by more than {:.0} % after the warm-up\n{told}", grown.join(" and "), GROWTH_MAX * 100.0);
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(megabytes: impl Fn(f64) -> f64, descriptors: impl Fn(f64) -> f64) -> Vec<Sample> {
        (0..=60)
            .map(f64::from)
            .map(|seconds| Sample { seconds, megabytes: megabytes(seconds), descriptors: descriptors(seconds) })
            .collect()
    }

    #[test]
    fn what_grows_in_the_warm_up_may_and_what_grows_after_it_may_not() {
        let level = |_: f64| 500.0;
        let told = judge(&samples(|seconds| 100.0 + seconds.min(15.0) * 20.0, level)).unwrap();
        assert!(told.contains("resident memory: a line from 400 MB to 400 MB after the warm-up (+0.0 %), at most 400 MB"), "{told}");
        // From about 430 MB at the end of the warm-up 1 MB a second comes to 10.5 %, and 0.9 MB to 9.5 %.
        let grown = judge(&samples(|seconds| 415.0 + seconds, level)).unwrap_err().to_string();
        assert!(grown.starts_with("resident memory of `polder serve` grew by more than 10 %"), "{grown}");
        assert!(judge(&samples(|seconds| 415.0 + seconds * 0.9, level)).is_ok());
        let leaky = judge(&samples(level, |seconds| 500.0 + seconds * 2.0)).unwrap_err().to_string();
        assert!(leaky.starts_with("file descriptors of"), "{leaky}");
        // What goes up and down around a level does not grow.
        assert!(judge(&samples(|seconds| 400.0 + 80.0 * (seconds % 2.0), level)).is_ok());
    }

    #[test]
    fn too_few_samples_prove_nothing() {
        let few = samples(|_| 1.0, |_| 1.0).into_iter().take(12).collect::<Vec<_>>();
        assert!(format!("{:#}", judge(&few).unwrap_err()).contains("too few"));
    }

    #[test]
    fn a_process_is_looked_at() {
        let sample = Process::new(std::process::id()).sample(Duration::from_secs(3)).unwrap();
        assert!(sample.seconds > 2.9 && sample.megabytes > 1.0 && sample.descriptors >= 3.0, "{sample:?}");
        assert!(Process::new(u32::MAX).sample(Duration::ZERO).is_err());
    }
}
