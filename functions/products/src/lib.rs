//! Products and their plans: what is for sale, and under which terms.
//!
//! **A product** is one to 20 APIs of one organization, looked up in `catalog` in the caller's name when it is made. Its slug never
//! changes. Its visibility says who sees it on the public side: its own organization always, invited organizations (`partner`),
//! anyone (`public`). Whoever may not see it gets the same 404 as for what does not exist.
//!
//! **A plan** belongs to a product and has versions. A version is immutable: price, included calls, price per further call, quota,
//! rate limit, operation weights, approval. New terms are a new version, for new subscriptions and for those that change their plan;
//! a subscription carries the terms that it was made under, so no change here alters what was agreed on. A retired plan takes no
//! new subscriptions and stays readable.
//!
//! **The public side** (`/v1/products/public/…`) answers a product with the newest terms of all its plans: what `subscriptions` reads
//! before it subscribes somebody, and what a buyer sees.

pub mod domain;
mod error;
pub mod routes;
mod store;
pub mod terms;

use shared::chassis::hop::Hops;
use shared::chassis::table::Table;
use shared::chassis::{Environment, Function, Request, Response};

use crate::routes::AppState;
use crate::store::Store;

/// The function's name.
pub const NAME: &str = "products";
/// What its API document says of it.
pub const DESCRIPTION: &str =
    "Products and their plans: one or more APIs for sale, with prices, quotas and rate limits.";

/// The function.
pub struct App {
    table: Table,
    router: axum::Router,
}

impl App {
    /// From its environment.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        let state =
            AppState { store: Store::new(environment.table.clone()), pages: environment.pages, hops: Hops::default() };
        let table = environment.table;
        Self { table, router: shared::chassis::document::finish(routes::routes(), state, NAME, DESCRIPTION) }
    }
}

/// The function's API document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    shared::chassis::document::describe(routes::routes(), NAME, DESCRIPTION)
}

impl Function for App {
    async fn http(&self, request: Request) -> Response {
        Box::pin(shared::chassis::extract::serve(&self.router, request)).await
    }

    fn tells(&self) -> Option<&Table> {
        Some(&self.table)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_api_document_is_current() {
        house::document_is_current(&super::document(), env!("CARGO_MANIFEST_DIR"));
    }
}
