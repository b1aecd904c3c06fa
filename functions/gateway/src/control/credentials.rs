//! `/v1/gateway/apis/{api}/credentials`.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use shared::chassis::extract::{Caller, Json, Now, Path};
use shared::chassis::reply::Reply;
use shared::event::ApiState;
use shared::principal::{Principal, needs};
use shared::problem::Problem;
use shared::slug::Slug;
use shared::time::Time;
use utoipa::ToSchema;

use super::Control;
use crate::credentials::{Kind, NewCredentials, Sealed};

/// What is told of credentials: never the secret.
#[derive(Serialize, ToSchema)]
struct Credentials {
    /// Their kind.
    #[serde(rename = "type")]
    kind: Kind,
    /// The header that they are sent in.
    header: String,
    /// When they were set.
    set_at: Time,
}

impl From<&Sealed> for Credentials {
    fn from(sealed: &Sealed) -> Self {
        Self { kind: sealed.kind, header: sealed.header.clone(), set_at: sealed.set_at }
    }
}

fn name(caller: &Principal, api: &Slug) -> String {
    format!("{}/{api}", caller.organization.slug)
}

/// The caller's own API, as the door knows it.
async fn own(control: &Control, caller: &Principal, api: &Slug) -> Result<ApiState, Problem> {
    let state = control.store.api(&name(caller, api)).await?;
    state.filter(|state| state.organization.id == caller.organization.id).ok_or_else(Problem::not_found)
}

/// Sets what the door sends along to the upstream of an own API, in place of what was set before. It is sealed, and never
/// shown again. A caller's own header of that name does not reach the upstream. Every part of the door knows it 10 s later at
/// the latest. An API is known here as soon as the door is: a moment after it was made.
#[utoipa::path(put, path = "/v1/gateway/apis/{api}/credentials", operation_id = "set_upstream_credentials", tag = "gateway", security(("token" = ["catalog:write"])),
    params(("api" = Slug, Path, description = "The API's slug.")), request_body = NewCredentials, responses((status = 200, body = Credentials)))]
pub(super) async fn set_upstream_credentials(
    caller: Caller<needs::CatalogWrite>,
    Now(now): Now,
    State(control): State<Control>,
    Path(api): Path<Slug>,
    Json(body): Json<NewCredentials>,
) -> Result<Reply, Problem> {
    let state = own(&control, &caller, &api).await?;
    let sealed = body.seal(&control.keys, state.id, now)?;
    control.store.put_credentials(&name(&caller, &api), &sealed).await?;
    Reply::ok(&Credentials::from(&sealed))
}

/// Tells which credentials the door sends along, without the secret.
#[utoipa::path(get, path = "/v1/gateway/apis/{api}/credentials", operation_id = "get_upstream_credentials", tag = "gateway", security(("token" = ["catalog:read"])),
    params(("api" = Slug, Path, description = "The API's slug.")), responses((status = 200, body = Credentials)))]
pub(super) async fn get_upstream_credentials(
    caller: Caller<needs::CatalogRead>,
    State(control): State<Control>,
    Path(api): Path<Slug>,
) -> Result<Reply, Problem> {
    own(&control, &caller, &api).await?;
    let sealed = control.store.credentials(&name(&caller, &api)).await?.ok_or_else(Problem::not_found)?;
    Reply::ok(&Credentials::from(&sealed))
}

/// Forgets them: 10 s later at the latest no part of the door sends them along.
#[utoipa::path(delete, path = "/v1/gateway/apis/{api}/credentials", operation_id = "remove_upstream_credentials", tag = "gateway", security(("token" = ["catalog:write"])),
    params(("api" = Slug, Path, description = "The API's slug.")), responses((status = 204, description = "There are none.")))]
pub(super) async fn remove_upstream_credentials(
    caller: Caller<needs::CatalogWrite>,
    State(control): State<Control>,
    Path(api): Path<Slug>,
) -> Result<StatusCode, Problem> {
    own(&control, &caller, &api).await?;
    control.store.delete_credentials(&name(&caller, &api)).await?;
    Ok(StatusCode::NO_CONTENT)
}
