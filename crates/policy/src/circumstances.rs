/// What holds of a request besides who asks for what: `context` in policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstances {
    /// What the asker says the answer is for.
    pub purpose: Option<String>,
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub now_micros: i64,
}

impl Circumstances {
    /// At a time in microseconds since 1970-01-01T00:00:00Z, for no stated purpose.
    pub const fn at(now_micros: i64) -> Self {
        Self { purpose: None, now_micros }
    }

    /// For a purpose.
    #[must_use]
    pub fn with_purpose(mut self, purpose: Option<String>) -> Self {
        self.purpose = purpose;
        self
    }
}
