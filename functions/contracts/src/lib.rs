//! `contracts`: what a change breaks.
//!
//! Two documents are compared by what their callers can observe. The catalog reads them, in the caller's name
//! (`POST /v1/catalog/surfaces`, both at once): so every format that it reads is compared, and nothing is read twice in two ways. What comes back are two
//! surfaces, which [`compare`] holds side by side by the rules of [`rules`]; what it finds is shown in the form that the caller accepts
//! ([`report`]). Of a comparison nothing is kept, and the same documents always give the same answer, to the byte.
//!
//! A **check** ([`checks`]) compares a proposed document with the published one and joins what it finds with who called what, which `usage` is asked for
//! in the caller's name. It is kept, and told (`contracts.check`): the catalog publishes a document only with a check that passed. When a version is
//! published, deprecated or retired, the subscriptions that it concerns are told (`contracts.notice`).
//!
//! - A **finding** has one cause, however many operations it reaches, and a fingerprint that stays the same when something else changes.
//! - Each rule has a page (`rules/{id}.md`, [`pages`]) with an example that it finds and one that it must not find. Both are compared by a test.
//! - What could not be compared is said, and makes the verdict at least `dangerous`: silence never means "compatible".
//! - Names, paths and texts of the documents are foreign: no form of a report lets them out of their place.

pub mod approvals;
pub mod checks;
pub mod compare;
mod events;
pub mod finding;
pub mod pages;
mod parcel;
pub mod policy;
mod proposal;
pub mod report;
#[allow(unused_qualifications)] // utoipa writes types out in full.
mod routes;
pub mod rules;
mod store;
pub mod traffic;

use shared::chassis::hop::Hops;
use shared::chassis::table::Table;
use shared::chassis::{Environment, EventError, Function, Request, Response, document, extract};
use shared::event::Envelope;
use shared::page::Pages;
use shared::time::Time;
use utoipa::openapi::OpenApi;

use store::Store;

const NAME: &str = "contracts";
const DESCRIPTION: &str = "What a change of an API breaks, and whom: two documents of one format are compared by what their callers can observe. \
    Every finding names its rule, the operations that it reaches, where it stands in both documents, and, in a check of a proposed version, who called them.";

/// What every handler has at hand.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) hops: Hops,
    pub(crate) pages: Pages,
    pub(crate) store: Store,
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
        let state = AppState { hops: Hops::default(), pages: environment.pages, store: store.clone() };
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
        Box::pin(events::on_event(&self.store, &envelope, sent_at)).await
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
