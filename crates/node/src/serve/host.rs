//! The node as the TAXII surface sees it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use model::Object;
use store::{Outcome, Record, Seq, Store, StoreError};

use crate::intake::Validation;
use crate::node::Node;
use crate::taxii::{Host, Listing, NotRemoved};

/// A node behind TAXII.
pub(super) struct TaxiiHost(pub(super) Arc<Node>);

impl Host for TaxiiHost {
    fn title(&self) -> String {
        format!("Kurultai node of {}", self.0.config().name)
    }

    fn origin(&self) -> Option<String> {
        let origin = self.0.config().people.origin.as_ref()?;
        Some(origin.origin().ascii_serialization())
    }

    fn store(&self) -> &Store {
        self.0.store()
    }

    fn now(&self) -> Seq {
        self.0.clock().micros()
    }

    fn collections(&self) -> Arc<[Listing]> {
        self.0.collections()
    }

    fn add(
        &self,
        objects: Vec<Object>,
        by: &str,
    ) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        let node = Arc::clone(&self.0);
        let by = by.to_owned();
        Box::pin(async move {
            let count = objects.len();
            let label = node.intake_label();
            let outcomes = node.add(objects, label, &by).await?;
            tracing::debug!(user = by, count, "objects taken in over TAXII");
            Ok(outcomes)
        })
    }

    fn validation(&self) -> Validation {
        self.0.config().intake_validation
    }

    fn remove(&self, records: Vec<Record>, by: &str) -> BoxFuture<'static, Result<(), NotRemoved>> {
        let node = Arc::clone(&self.0);
        let by = by.to_owned();
        Box::pin(async move { node.remove(records, &by).await })
    }

    fn read_by(&self, user: &str, collection: &str) {
        self.0.reads().tool(user, collection);
    }

    fn denied(&self, user: Option<&str>, status: u16, tried: &str) {
        self.0
            .reads()
            .denied(user.unwrap_or("nobody"), status, tried);
    }
}
