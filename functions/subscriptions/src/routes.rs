//! The routes.

mod apps;
mod product;
mod subscriptions;

use std::time::Duration;

use shared::seal::random;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// How often a change is tried again that met another one.
const ATTEMPTS_MAX: u32 = 16;

/// Lets the others go first, some milliseconds long.
async fn step_aside() {
    let [jitter] = random::<1>();
    tokio::time::sleep(Duration::from_millis(5 + u64::from(jitter % 32))).await;
}

/// The header that makes a request safe to repeat; for the API document alone, [`shared::chassis::extract::Idempotency`] reads it.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its document is used")]
struct IdempotencyKey {
    /// The same key with the same request gets the same answer for 24 hours.
    #[param(rename = "Idempotency-Key", value_type = String, required = false, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    idempotency_key: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(apps::create, apps::list))
        .routes(routes!(apps::get, apps::change, apps::delete))
        .routes(routes!(subscriptions::create, subscriptions::list))
        .routes(routes!(subscriptions::get))
        .routes(routes!(subscriptions::approve))
        .routes(routes!(subscriptions::decline))
        .routes(routes!(subscriptions::suspend))
        .routes(routes!(subscriptions::resume))
        .routes(routes!(subscriptions::cancel))
        .routes(routes!(subscriptions::change_plan))
}
