//! `catalog`: what an organization has.
//!
//! It owns **services**, their **APIs** and the APIs' **versions**. A version is one immutable document in one format (today OpenAPI 2.0
//! to 3.2, in JSON or YAML, GraphQL, or Protocol Buffers; of one file or several); it is read when it comes, by [`upload`] and the [`readers`], and its operations are kept beside it.
//!
//! - A document is stored whole, compressed, in chunks that fit an item, and given back byte for byte. Chunks, pages of operations and the words of
//!   the search are written before the version's own row, which is written last and together with everything that must hold: what lacks its row is
//!   not there.
//! - `draft` → `published` → `deprecated` → `retired`. The version published last is the API's **current** one, whose routes the door serves;
//!   publishing an older one again goes back to it. When the current version retires, the one published before it takes its place.
//! - An API with a current version gives it up only for what was checked against it: publishing another document needs a passing check of its digest
//!   against that version, unless the API's policy says `off` ([`domain::gate`]). Checks and policies are events of `contracts`, whom the catalog never asks.
//! - Every change that the door must know (publishing, deprecating, retiring, another upstream) is told to the gateway before it is answered,
//!   and once more by the events in the outbox. When the door could not be told, the answer is 503 and sending the request again tells it again.
//! - The search goes over services, APIs, and the operations, types and fields of an API's current version, or of its newest draft while nothing was
//!   published. A word has one row per version, with the numbers of what has it, and one per API and service, so the cost of a search grows with
//!   what its words find, not with the catalog.
//! - The [`graph`] joins what services offer, which is the catalog's own, with who calls, which `usage` is asked for in the caller's name; it says
//!   what is missing when that fails. [`backstage`] reads the files with which a company moves in.
//! - The public side shows what is published of APIs whose visibility is `public`, of those that are `partner` to the invited organizations, and
//!   to an organization what is its own. Everything else is not found.

pub mod backstage;
pub mod domain;
mod error;
mod events;
pub mod graph;
pub mod readers;
#[allow(unused_qualifications)] // utoipa writes types out in full.
mod routes;
mod store;
pub mod summary;
pub mod upload;

use shared::chassis::hop::Hops;
use shared::chassis::table::Table;
use shared::chassis::{Environment, EventError, Function, Request, Response};
use shared::event::Envelope;
use shared::page::Pages;
use shared::seal::Secret;
use shared::time::Time;

pub use events::{api_state, routes_states, version_state};
pub use store::Store;

const NAME: &str = "catalog";
const DESCRIPTION: &str = "What an organization has: services, their APIs, and the APIs' versions, each of them one immutable document. Documents are read, their operations listed and searched. \
    The public side shows what is published.";

/// What the handlers have at hand.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) store: Store,
    pub(crate) pages: Pages,
    pub(crate) hops: Hops,
    pub(crate) door: Secret,
}

/// The function.
pub struct App {
    table: Table,
    router: axum::Router,
    store: Store,
}

impl App {
    /// With its table, and the secret that seals what it tells the door.
    #[must_use]
    pub fn new(environment: Environment, door: &Secret) -> Self {
        let state = AppState {
            store: Store::new(environment.table.clone()),
            pages: environment.pages,
            hops: Hops::default(),
            door: door.clone(),
        };
        let (table, store) = (environment.table, state.store.clone());
        Self { table, router: shared::chassis::document::finish(routes::routes(), state, NAME, DESCRIPTION), store }
    }
}

/// The function's API document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    shared::chassis::document::describe(routes::routes(), NAME, DESCRIPTION)
}

impl Function for App {
    async fn http(&self, request: Request) -> Response {
        shared::chassis::extract::serve(&self.router, request).await
    }

    fn tells(&self) -> Option<&Table> {
        Some(&self.table)
    }

    async fn event(&self, envelope: Envelope, _: Time) -> Result<(), EventError> {
        events::on_event(&self.store, &envelope).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_api_document_is_current() {
        house::document_is_current(&super::document(), env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn its_own_reader_reads_its_own_document() {
        let text = super::document().to_pretty_json().unwrap();
        let document = super::upload::read(text.as_bytes(), super::upload::Hint::default()).unwrap();
        assert_eq!(document.warnings, []);
        assert!(document.operations.iter().any(|operation| operation.id == "publish_version"));
    }
}
