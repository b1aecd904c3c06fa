//! The door's control plane: what functions tell it, and upstream credentials.

mod credentials;

use axum::extract::State;
use shared::chassis::document::finish;
use shared::chassis::extract::{self, Now};
use shared::chassis::reply::Reply;
use shared::chassis::{EventError, door};
use shared::event::Envelope;
use shared::problem::{Kind, Problem};
use shared::seal::Secret;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::credentials::Keys;
use crate::events;
use crate::store::Store;

const NAME: &str = "gateway";
const DESCRIPTION: &str = "The door. Calls of APIs go to `/call/{organization}/{api}/{path}` with a key; what stands here is what the door sends along to an API's upstream, and for the platform's own functions, which tell the door what must hold from the next call on.";
/// One statement tells a subscription, a pair of keys, or an API with all parts of its routes.
const EVENTS_MAX: usize = 100;

#[derive(Clone)]
struct Control {
    store: Store,
    secret: Secret,
    keys: Keys,
}

/// How many events were taken.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct Taken {
    /// How many.
    taken: usize,
}

/// Takes what must hold from the next call on. Only for the platform's own functions: the body carries their seal in
/// `X-Doorway-Seal`, and the answer comes when the grant is written.
#[utoipa::path(
    post, path = "/v1/gateway/events", operation_id = "tell_the_door", tag = "gateway", security(()),
    params(("X-Doorway-Seal" = String, Header, description = "HMAC-SHA-256 of the body, in hexadecimal, under a secret that only the platform's functions have.")),
    request_body(content = Vec<serde_json::Value>, description = "Event envelopes."),
    responses((status = 200, body = Taken))
)]
async fn tell(
    Now(now): Now,
    State(control): State<Control>,
    request: axum::extract::Request,
) -> Result<Reply, Problem> {
    let headers = request.headers().clone();
    let body = extract::body(request).await?;
    let envelopes: Vec<Envelope> = door::heard(&control.secret, &headers, &body)?;
    if envelopes.len() > EVENTS_MAX {
        return Err(Problem::new(Kind::TooLarge, format!("At most {EVENTS_MAX} events at a time.")));
    }
    for envelope in &envelopes {
        events::take(&control.store, envelope, now).await.map_err(|error| match error {
            EventError::NotUnderstood(cause) => Problem::invalid("", cause),
            EventError::Unavailable(cause) => Problem::unavailable(cause),
        })?;
    }
    Reply::ok(&Taken { taken: envelopes.len() })
}

fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(tell)).routes(routes!(
        credentials::set_upstream_credentials,
        credentials::get_upstream_credentials,
        credentials::remove_upstream_credentials
    ))
}

pub(crate) fn router(store: Store, secret: Secret, keys: Keys) -> axum::Router {
    finish(routes(), Control { store, secret, keys }, NAME, DESCRIPTION)
}

/// The API document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    shared::chassis::document::describe(routes(), NAME, DESCRIPTION)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_api_document_is_current() {
        house::document_is_current(&super::document(), env!("CARGO_MANIFEST_DIR"));
    }
}
