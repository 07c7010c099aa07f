//! Who may begin a partition anew: asked before a first marker is set, and where another one was found than was written last, so that what was dropped is
//! not made again, and what was made again is not taken for what it was.

use std::{fmt, future::Future, sync::Arc};

use futures::future::BoxFuture;

use crate::{error::Result, state::Tag};

/// A question that a source asks before it sets the first marker of a partition, or goes on from one that it did not expect: whether the partition's namespace is (still) there.
///
/// A store that restarted empty and a namespace that was dropped look alike to a worker: no marker. Whoever keeps the list of namespaces knows.
#[derive(Clone)]
pub struct Admit(Arc<Question>);

type Question = dyn Fn(Tag) -> BoxFuture<'static, Result<()>> + Send + Sync;

impl Admit {
    /// Asks by this function; its error ends the worker (or is tried again, where it says so).
    pub fn new<F: Future<Output = Result<()>> + Send + 'static>(
        ask: impl Fn(Tag) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |tag| Box::pin(ask(tag))))
    }

    /// Asks for one partition.
    ///
    /// # Errors
    /// When the partition may not begin; the reason says why and what to do.
    pub async fn ask(&self, tag: &Tag) -> Result<()> {
        (self.0)(tag.clone()).await
    }
}

impl fmt::Debug for Admit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admit")
    }
}
