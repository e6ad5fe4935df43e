//! The object stores that a session knows: one, which opens nothing.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use url::Url;

/// Knows the scheme `sealed` and nothing else, and learns nothing.
#[derive(Debug)]
pub(crate) struct SealedOnly {
    store: Arc<dyn ObjectStore>,
}

impl SealedOnly {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }
}

impl ObjectStoreRegistry for SealedOnly {
    /// Registers nothing: what a plan brings along stays unknown.
    fn register_store(&self, _url: &Url, _store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.scheme() == "sealed" {
            Ok(Arc::clone(&self.store))
        } else {
            Err(DataFusionError::Plan("only tables can be read, not addresses".to_owned()))
        }
    }
}
