//! `contracts`: what a change breaks.
//!
//! Two documents are compared by what their callers can observe. The catalog reads them, in the caller's name
//! (`POST /v1/catalog/surfaces`, both at once): so every format that it reads is compared, and nothing is read twice in two ways. What comes back are two
//! surfaces, which [`compare`] holds side by side by the rules of [`rules`]; what it finds is shown in the form that the caller accepts
//! ([`report`]). Nothing is kept, and the same documents always give the same answer, to the byte.
//!
//! - A **finding** has one cause, however many operations it reaches, and a fingerprint that stays the same when something else changes.
//! - Each rule has a page (`rules/{id}.md`, [`pages`]) with an example that it finds and one that it must not find. Both are compared by a test.
//! - What could not be compared is said, and makes the verdict at least `dangerous`: silence never means "compatible".
//! - Names, paths and texts of the documents are foreign: no form of a report lets them out of their place.

pub mod compare;
pub mod finding;
pub mod pages;
mod parcel;
pub mod report;
#[allow(unused_qualifications)] // utoipa writes types out in full.
mod routes;
pub mod rules;

use shared::chassis::hop::Hops;
use shared::chassis::{Environment, Function, Request, Response, document, extract};
use utoipa::openapi::OpenApi;

const NAME: &str = "contracts";
const DESCRIPTION: &str = "What a change of an API breaks: two documents of one format are compared by what their callers can observe. \
    Every finding names its rule, the operations that it reaches, and where it stands in both documents.";

/// What every handler has at hand.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) hops: Hops,
}

/// The function.
pub struct App {
    router: axum::Router,
}

impl App {
    /// With its environment, of which nothing is used yet.
    #[must_use]
    pub fn new(_: Environment) -> Self {
        let state = AppState { hops: Hops::default() };
        Self { router: document::finish(routes::routes(), state, NAME, DESCRIPTION) }
    }
}

impl Function for App {
    async fn http(&self, request: Request) -> Response {
        // Boxed: the types of nested futures would grow past the compiler's limit.
        Box::pin(extract::serve(&self.router, request)).await
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
