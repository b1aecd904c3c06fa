//! Usage: how many calls were admitted, refused and given back, by hour, key and operation, and who calls an operation.
//!
//! **The numbers** come from the grants' own images, which the gateway's stream carries. Every write of a grant raises its
//! version `v`, and within a bucket counts only grow: so the image with the highest `v` of a bucket is the whole truth about
//! that bucket, whatever comes twice, late or out of order. The old image of a write that turned the bucket is the bucket's
//! last: it closes it. Units are differences of the grant's own sums by month and revision of the terms, from the end of one
//! bucket to the end of the next, so that weights need not be known here. A refund of a call of an earlier month belongs to that
//! month's last hour. So the hours of a month add up to what is sealed of it, under every revision of the terms.
//!
//! **A sealed period** is compared with its hours once these are whole ([`period`]); both numbers are kept, told and shown. A
//! seal that comes earlier waits in the table.
//!
//! **Hours are folded**: what the frontier has passed never changes, so the buckets of an hour become one row, and a report of a
//! month reads some 700 rows however often the grant's pages turned.
//!
//! **The names** come from the events of four kinds of resources, and are put to the numbers when someone asks: an image may
//! come before the event that names its key or its operations.
//!
//! **`complete_to`** says how far the counts are whole: bucket numbers are contiguous, so a gap is visible, and the frontier
//! ([`domain::Head`]) stands at the first bucket that is missing or open. Where the record that closes a bucket was lost, the
//! next bucket may show that nothing is missing all the same ([`domain::Bucket::ends`]). Refused calls are counted beside the grant, in
//! batches: at most the truth, and equal to it once the gateway's sandboxes have stopped.
//!
//! **How calls went** ([`timings`]): status classes and how long they took, by operation and hour. Telemetry, counted by the gateway's
//! sandboxes beside the grants and apart from money: at most the truth, and equal to it once they have stopped.
//!
//! **Callers** of an operation are found through rows of their own, one per bucket, operation and key, in the order of their
//! hours. They are filed under the provider, whom a grant's image does not name. Whoever writes a bucket reads the
//! subscription afterwards, and whoever writes the subscription reads the buckets afterwards: one of the two sees the other.

pub mod domain;
mod events;
pub mod period;
pub mod report;
mod routes;
mod store;
pub mod timings;

use axum::extract::FromRef;
use shared::chassis::table::Table;
use shared::chassis::{Environment, EventError, Function, Request, Response, StreamRecord, document, extract};
use shared::event::Envelope;
use shared::page::Pages;
use shared::time::Time;
use utoipa::openapi::OpenApi;

pub use store::Store;

const NAME: &str = "usage";
const DESCRIPTION: &str = "How many calls were admitted, refused and given back, by hour, key and operation; and who calls an operation. \
    Exact for every hour before `complete_to`.";

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct State {
    store: Store,
    pages: Pages,
}

impl FromRef<State> for Store {
    fn from_ref(state: &State) -> Self {
        state.store.clone()
    }
}

impl FromRef<State> for Pages {
    fn from_ref(state: &State) -> Self {
        state.pages.clone()
    }
}

/// The function.
pub struct App {
    table: Table,
    router: axum::Router,
    store: Store,
}

impl App {
    /// With its environment.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        let store = Store::new(environment.table.clone());
        let state = State { store: store.clone(), pages: environment.pages };
        let table = environment.table;
        Self { table, router: document::finish(routes::routes(), state, NAME, DESCRIPTION), store }
    }
}

impl Function for App {
    async fn http(&self, request: Request) -> Response {
        // Boxed, here and below: the types of nested futures would grow past the compiler's limit.
        Box::pin(extract::serve(&self.router, request)).await
    }

    fn tells(&self) -> Option<&Table> {
        Some(&self.table)
    }

    async fn event(&self, envelope: Envelope, _sent_at: Time) -> Result<(), EventError> {
        Box::pin(events::on_event(&self.store, &envelope)).await
    }

    async fn records(&self, records: Vec<StreamRecord>) -> Result<(), (String, EventError)> {
        Box::pin(events::on_records(&self.store, records)).await
    }
}

/// The function's API document.
#[must_use]
pub fn document() -> OpenApi {
    document::describe(routes::routes(), NAME, DESCRIPTION)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_api_document_is_current() {
        house::document_is_current(&super::document(), env!("CARGO_MANIFEST_DIR"));
    }
}
