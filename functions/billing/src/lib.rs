//! Billing: what a subscription owes, month by month.
//!
//! A month that the gateway has sealed is rated once and becomes an invoice: numbered without a gap for each provider,
//! never changed, and stored with the seal that it was rated from, so that it can be made again to the byte. The running
//! month is shown as a preview by the same rules: the terms come with the events of subscriptions, the numbers from `usage`,
//! asked when someone waits for them, in the caller's name. The rules of rating are in [`domain`]: exact decimals, every
//! line rounded once, the total a sum of what is shown. A period is a calendar month in UTC.

pub mod domain;
mod events;
mod routes;
mod store;

use shared::chassis::hop::Hops;
use shared::chassis::table::Table;
use shared::chassis::{Environment, EventError, Function, Request, Response, document, extract};
use shared::event::Envelope;
use shared::page::Pages;
use shared::time::Time;
use utoipa::openapi::OpenApi;

use store::Store;

const NAME: &str = "billing";
const DESCRIPTION: &str = "Invoices of sealed periods, and a preview of the running one. A period is a calendar month in UTC. \
    Each line can be traced to the calls that the door counted.";

/// What every handler has at hand.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) store: Store,
    pub(crate) hops: Hops,
    pub(crate) pages: Pages,
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
        let state =
            AppState { store: Store::new(environment.table.clone()), hops: Hops::default(), pages: environment.pages };
        let store = state.store.clone();
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

    async fn event(&self, envelope: Envelope, sent_at: Time) -> Result<(), EventError> {
        events::on_event(&self.store, &envelope, sent_at).await
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
