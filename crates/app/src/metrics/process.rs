//! How this process is, as its operating system tells.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Adds what can be found out; what cannot is left out.
pub(super) fn register(registry: &mut Registry) {
    let mut gauge = |name: &'static str, help: &'static str, value: Option<i64>| {
        let Some(value) = value else { return };
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge("process_resident_memory_bytes", "Memory that is in use", resident_bytes());
    gauge("process_open_fds", "Open files and connections", open_files());
}

fn resident_bytes() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = text.split_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(i64::try_from(rustix::param::page_size()).ok()?)
}

fn open_files() -> Option<i64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // The one that is open for looking is not counted.
    i64::try_from(open.saturating_sub(1)).ok()
}
