//! The routes.

mod keys;
mod present;

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
        .routes(routes!(keys::issue, keys::list))
        .routes(routes!(keys::get, keys::rename))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::revoke))
}
