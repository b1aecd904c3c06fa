//! The table: one row for every subscription, its newest state. `pk` is its id, `sk` is `S`.

use shared::chassis::table::{Row, StoreError, Table};
use shared::event::{State as _, SubscriptionState};
use shared::id::SubscriptionId;

const SK: &str = "S";

/// Billing's own table.
#[derive(Clone)]
pub(crate) struct Store {
    table: Table,
}

impl Store {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Keeps the newest state of a subscription.
    pub(crate) async fn keep(&self, state: &SubscriptionState) -> Result<(), StoreError> {
        self.table.project(Row::new(state.id(), SK, state)?, state.revision).await.map(drop)
    }

    /// A subscription.
    pub(crate) async fn subscription(&self, id: &SubscriptionId) -> Result<Option<SubscriptionState>, StoreError> {
        self.table.get(id.to_string(), SK).await
    }
}
