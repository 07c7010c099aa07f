//! What readers see: the read path of a namespace, which may be replaced while requests are under way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use abovefold_models::ModelFacts;
use abovefold_operators::query::Query;
use abovefold_schemas::{ReaderId, records::NamespaceRecord};

use crate::session::Model;

/// A namespace's read path and what it was started with. A request takes one of these once, and is answered by it to its end.
#[derive(Debug)]
pub struct Seen {
    /// The namespace.
    pub namespace: String,
    /// The digest of the session model that it was folded with, if any.
    pub session_model: Option<String>,
    /// Its read path.
    pub query: Query,
    /// The model in force, if any.
    pub model: Option<ModelFacts>,
}

impl Seen {
    /// The read path of a namespace, started with this model.
    pub fn new(namespace: &NamespaceRecord, query: Query, model: Option<&Model>) -> Self {
        Self {
            namespace: namespace.name.clone(),
            session_model: namespace.has_model().then(|| namespace.session_model.clone()),
            query,
            model: model.map(|model| model.facts().clone()),
        }
    }
}

/// What readers see at this moment, and what keeps them from seeing something else.
#[derive(Debug)]
pub struct Reading {
    seen: RwLock<Arc<Seen>>,
    /// What readers of some arms see instead.
    arms: BTreeMap<String, Arc<Seen>>,
    trouble: Mutex<Option<String>>,
}

impl Reading {
    /// Begins with this; readers of these arms see something else for good.
    pub fn new(seen: Seen, arms: BTreeMap<String, Arc<Seen>>) -> Arc<Self> {
        Arc::new(Self { seen: RwLock::new(Arc::new(seen)), arms, trouble: Mutex::default() })
    }

    /// What a request that begins now sees.
    pub fn seen(&self) -> Arc<Seen> {
        // What is guarded is replaced as a whole: a panic elsewhere leaves no half of it.
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a request of this reader sees that begins now.
    pub fn seen_by(&self, reader: &ReaderId) -> Arc<Seen> {
        let seen = self.seen();
        let arm = seen.query.experiment().map(|experiment| experiment.arm_of(reader));
        let own = arm.and_then(|arm| self.arms.get(&arm.name)).cloned();
        own.unwrap_or(seen)
    }

    /// What readers of an arm see instead of what others do, if they do.
    pub fn of_arm(&self, arm: &str) -> Option<&Seen> {
        self.arms.get(arm).map(AsRef::as_ref)
    }

    /// From now on requests see this. Those under way keep what they took, which ends with the last of them.
    pub fn switch(&self, seen: Seen) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(seen);
    }

    /// Why readers do not see what they should; `None` where they do.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes why readers do not see what they should. Returns whether that is news.
    pub fn set_trouble(&self, trouble: Option<String>) -> bool {
        let mut noted = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *noted != trouble;
        *noted = trouble;
        is_news
    }
}
