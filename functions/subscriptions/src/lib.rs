//! Apps and their subscriptions to plans: where two organizations meet.
//!
//! **Owns** apps (whoever calls) and subscriptions (an app on a plan, with the terms that it was made under). A subscription
//! belongs to both sides: the consumer made it and may change its plan or cancel it, the provider approves, declines,
//! suspends, resumes or cancels it. The state machine is [`domain::Subscription::apply`]; everybody else's subscription is a
//! 404 that does not differ from one that never was.
//!
//! **A change is one transaction**: the subscription (conditional on its revision), its entries in both sides' lists, the
//! number of live subscriptions of its app, the event in the outbox, and the answer to remember for an `Idempotency-Key`.
//!
//! **Then the door is told, before the answer.** Whoever got an answer may rely on it from the next call on. What can go wrong
//! between the two steps:
//! - the function dies, or the door cannot be reached (503): the bus brings the same event to the door;
//! - the request comes again with its `Idempotency-Key`: the door is told the state as it is now, then the stored answer is given;
//! - the request comes again without one: the state machine refuses it (409), and the door is told before that too, so that
//!   `it is cancelled` is as good a promise as the answer that was lost.
//!
//! **Asks**, in the caller's name, `products` for a product's plans when an app subscribes or changes its plan, and `catalog`
//! for the service that an app says it is; tells the gateway. Takes no events.

pub mod domain;
mod error;
mod routes;
mod store;

use axum::extract::FromRef;
use shared::chassis::hop::Hops;
use shared::chassis::table::Table;
use shared::chassis::{Context, Environment, Function, Request, Response, door};
use shared::event::{Envelope, SubscriptionState};
use shared::page::Pages;
use shared::problem::Problem;
use shared::seal::Secret;
use utoipa::openapi::OpenApi;

use store::Store;

const NAME: &str = "subscriptions";
const DESCRIPTION: &str = "Apps and their subscriptions to plans, across organizations: subscribe, approve, suspend, change the plan, cancel.";

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct State {
    store: Store,
    pages: Pages,
    hops: Hops,
    door: Secret,
}

impl State {
    /// Tells the door how a subscription is now, and waits until it has taken it.
    async fn tell(&self, context: &Context, subscription: &SubscriptionState) -> Result<(), Problem> {
        let event = Envelope::of(subscription).map_err(Problem::internal)?;
        door::tell(&self.hops.of(context), &self.door, &[event]).await
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
    /// With its environment, and the secret that seals what the door is told.
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
