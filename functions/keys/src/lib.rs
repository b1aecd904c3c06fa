//! Keys: the secrets that open the door for one subscription.
//!
//! **Owns** keys. A key's secret is made here, shown in one answer, and stored as a hash; its form carries a keyed MAC, so that
//! the door refuses a mistyped one without a read ([`shared::secret_key`]). Only the consumer's organization sees its keys; to
//! everybody else, the provider included, they are a 404 that does not differ from what never was.
//!
//! **A change is one transaction**: the key, its entry in the subscription's list, the subscription's ring ([`domain::Ring`]:
//! numbers and live keys), the event in the outbox, and the answer to remember for an `Idempotency-Key`.
//!
//! **Then the door is told, before the answer.** A key works on the call after its 201, and a revoked one works on no call after
//! its 200. What can go wrong between the two steps:
//! - *issue*, the door cannot be reached: the key is taken back (revoked, its idempotency key forgotten) and the answer is 503;
//! - *rotate*, the door cannot be reached: 503, and the bus brings both keys to the door. The rotation stands, because the door may
//!   have drawn the old key's end closer already and nobody can lengthen it again; the successor is in the list and can be rotated;
//! - *revoke*, the door cannot be reached: 503, and the bus brings it. Asking again tells the door again;
//! - the function dies: the bus brings the event. The request, coming again with its `Idempotency-Key`, tells the door how the keys
//!   are now and gets the stored answer, which has `secret_shown` in place of the secret.
//!
//! **Asks** `subscriptions` whether a subscription is the caller's own and active, and `usage` when a key was last used; tells the
//! gateway. Takes no events.

pub mod domain;
mod error;
mod routes;
mod store;

use axum::extract::FromRef;
use shared::chassis::hop::Hops;
use shared::chassis::table::Table;
use shared::chassis::{Context, Environment, Function, Request, Response, door};
use shared::event::Envelope;
use shared::page::Pages;
use shared::problem::Problem;
use shared::seal::Secret;
use utoipa::openapi::OpenApi;

use domain::Key;
use store::Store;

const NAME: &str = "keys";
const DESCRIPTION: &str =
    "Keys, the secrets that open the door for one subscription: issue, list, rotate with overlap, revoke.";

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct State {
    store: Store,
    pages: Pages,
    hops: Hops,
    door: Secret,
}

impl State {
    /// Tells the door how keys are now, in one statement, and waits until it has taken it.
    async fn tell(&self, context: &Context, keys: &[&Key]) -> Result<(), Problem> {
        let events = keys
            .iter()
            .map(|key| Envelope::of(&key.state))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Problem::internal)?;
        door::tell(&self.hops.of(context), &self.door, &events).await
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
}

impl App {
    /// With its environment, and the secret that seals what the door is told and is in every key's MAC.
    #[must_use]
    pub fn new(environment: Environment, door: Secret) -> Self {
        let state = State {
            store: Store::new(environment.table.clone()),
            pages: environment.pages,
            hops: Hops::default(),
            door,
        };
        let table = environment.table;
        Self { table, router: shared::chassis::document::finish(routes::routes(), state, NAME, DESCRIPTION) }
    }
}

/// The function's API document.
#[must_use]
pub fn document() -> OpenApi {
    shared::chassis::document::describe(routes::routes(), NAME, DESCRIPTION)
}

impl Function for App {
    async fn http(&self, request: Request) -> Response {
        shared::chassis::extract::serve(&self.router, request).await
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
