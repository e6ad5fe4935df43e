//! What every listener works with.

use std::sync::Arc;

use polder_types::{Clock, Rng};

use crate::drain::Drain;
use crate::limits::Limits;
use crate::ports::Accounts;
use crate::tls::Tls;

/// What a wire works with. Each listener has its own TLS side and shares the rest.
#[derive(Clone)]
pub struct Context {
    /// Who may come in.
    pub accounts: Arc<dyn Accounts>,
    /// What limits it.
    pub limits: Arc<Limits>,
    /// The certificate and how it is served.
    pub tls: Arc<Tls>,
    /// The end of serving.
    pub drain: Drain,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The origin by which browsers reach the REST listener. Without it no page is trusted.
    pub public_url: Option<Arc<str>>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
