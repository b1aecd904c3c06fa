//! `/v1/contracts/apis/{api}/policy` and `…/approvals`: what the checks of an API go by.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Idempotency, IfMatch, Json, Path};
use shared::chassis::reply::Reply;
use shared::id::Api;
use shared::principal::needs;
use shared::problem::{Kind, Problem};
use shared::slug::Name;
use shared::text::Label;
use shared::time::Time;
use utoipa::{IntoParams, ToSchema};

use super::asks::Asks;
use crate::AppState;
use crate::approvals::{Approval, DAYS_MAX, is_fingerprint};
use crate::policy::{Policy, PolicyView};
use crate::store::StoredPolicy;

/// An alias, because a document's schema is made of names without parameters.
type NameOfApi = Name<Api>;

/// Which API.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ApiPath {
    /// An API of one's own organization, by slug or id.
    #[param(inline)]
    api: NameOfApi,
}

/// Approvals of an API at a time, those that have ended among them.
const APPROVALS_MAX: usize = 1_000;

fn shown(stored: &StoredPolicy) -> Result<Reply, Problem> {
    Ok(Reply::ok(&PolicyView::of(stored.revision, &stored.policy))?.revision(stored.revision))
}

/// Shows what the checks of an API go by; the defaults, with revision 0, while nothing was set.
#[utoipa::path(get, path = "/v1/contracts/apis/{api}/policy", operation_id = "get_policy", tag = "policies", security(("token" = ["contracts:read"])),
    params(ApiPath),
    responses((status = 200, description = "The policy.", body = PolicyView, headers(("ETag" = String)))))]
pub(super) async fn get_policy(
    _caller: Caller<needs::ContractsRead>,
    context: Context,
    State(app): State<AppState>,
    Path(path): Path<ApiPath>,
) -> Result<Reply, Problem> {
    let api = Asks::of(app.hops.of(&context)).api(&path.api.to_string()).await?;
    shown(&app.store.policy(api.id).await?)
}

/// Sets what the checks of an API go by, all of it: what is left out gets its default. `check: "off"` lets any version be published, and stands in
/// `GET /v1/catalog/apis/{api}` for all to see.
#[utoipa::path(put, path = "/v1/contracts/apis/{api}/policy", operation_id = "set_policy", tag = "policies", security(("token" = ["contracts:write"])),
    params(ApiPath,
        ("If-Match" = String, Header, description = "The `ETag` that the policy was read with: `\"0\"` while nothing was set.")),
    request_body = Policy, responses((status = 200, description = "The policy.", body = PolicyView, headers(("ETag" = String)))))]
pub(super) async fn set_policy(
    caller: Caller<needs::ContractsWrite>,
    context: Context,
    State(app): State<AppState>,
    Path(path): Path<ApiPath>,
    IfMatch(revision): IfMatch,
    Json(policy): Json<Policy>,
) -> Result<Reply, Problem> {
    let api = Asks::of(app.hops.of(&context)).api(&path.api.to_string()).await?;
    if let Some((pointer, detail)) = policy.wrong() {
        return Err(Problem::invalid(pointer, detail));
    }
    let whose = (caller.organization.id, api.id);
    match app.store.put_policy(whose, &policy, revision, context.now).await? {
        Some(stored) => shown(&stored),
        None => Err(Problem::new(
            Kind::PreconditionFailed,
            "It was changed since you read it: read it again, and send the new `ETag` as `If-Match`.",
        )
        .field("/header/if-match", "is not the resource's `ETag`")),
    }
}

/// A finding that shall pass.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approve {
    /// The finding's fingerprint.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    fingerprint: String,
    /// Why.
    reason: Label,
    /// Until when: after now, at most 366 days ahead.
    until: Time,
}

/// All approvals of an API.
#[derive(Serialize, ToSchema)]
struct ApprovalList {
    /// By fingerprint, those that have ended too: at most 1,000.
    items: Vec<Approval>,
}

/// Approves a finding until a day: it makes no check fail any more. It holds for this finding alone; when the change becomes another one, so does its
/// fingerprint.
#[utoipa::path(post, path = "/v1/contracts/apis/{api}/approvals", operation_id = "approve_finding", tag = "policies", security(("token" = ["contracts:write"])),
    params(ApiPath,
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request harmless for 24 hours.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body = Approve, responses((status = 201, description = "The approval.", body = Approval, headers(("Location" = String)))))]
pub(super) async fn approve_finding(
    caller: Caller<needs::ContractsWrite>,
    context: Context,
    State(app): State<AppState>,
    Path(path): Path<ApiPath>,
    idempotency: Option<Idempotency>,
    Json(body): Json<Approve>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let api = Asks::of(app.hops.of(&context)).api(&path.api.to_string()).await?;
    if !is_fingerprint(&body.fingerprint) {
        return Err(Problem::invalid(
            "/fingerprint",
            "must be the fingerprint of a finding: 32 hexadecimal digits in lower case",
        ));
    }
    if body.until <= context.now || body.until > context.now.plus_ms(DAYS_MAX * 24 * 3_600_000) {
        return Err(Problem::invalid("/until", format!("must be a time after now, at most {DAYS_MAX} days ahead")));
    }
    let approvals = app.store.approvals(api.id).await?;
    if approvals.get(&body.fingerprint).is_some_and(|approval| approval.until > context.now) {
        return Err(approved());
    }
    if approvals.len() >= APPROVALS_MAX {
        return Err(Problem::state(format!("The API has {APPROVALS_MAX} approvals: withdraw those that have ended.")));
    }
    let approval = Approval {
        fingerprint: body.fingerprint,
        by: caller.actor.clone(),
        reason: body.reason.to_string(),
        until: body.until,
        created_at: context.now,
    };
    let reply = Reply::created(&approval, format!("/v1/contracts/apis/{}/approvals/{}", api.id, approval.fingerprint))?;
    app.store.put_approval(api.id, &approval, idempotency.as_ref(), reply).await?.ok_or_else(approved)
}

fn approved() -> Problem {
    let detail = "The finding is approved already: withdraw the approval first, to give it another end.";
    Problem::exists("/fingerprint", detail)
}

/// Lists the approvals of an API, those that have ended too.
#[utoipa::path(get, path = "/v1/contracts/apis/{api}/approvals", operation_id = "list_approvals", tag = "policies", security(("token" = ["contracts:read"])),
    params(ApiPath),
    responses((status = 200, description = "The approvals.", body = ApprovalList)))]
pub(super) async fn list_approvals(
    _caller: Caller<needs::ContractsRead>,
    context: Context,
    State(app): State<AppState>,
    Path(path): Path<ApiPath>,
) -> Result<Reply, Problem> {
    let api = Asks::of(app.hops.of(&context)).api(&path.api.to_string()).await?;
    Reply::ok(&ApprovalList { items: app.store.approvals(api.id).await?.into_values().collect() })
}

/// Which approval.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ApprovalPath {
    /// An API of one's own organization, by slug or id.
    #[param(inline)]
    api: NameOfApi,
    /// The finding's fingerprint.
    #[param(pattern = "^[0-9a-f]{32}$")]
    fingerprint: String,
}

/// Withdraws an approval. Checks that passed because of it count no more: what they checked is checked again before it is published.
#[utoipa::path(delete, path = "/v1/contracts/apis/{api}/approvals/{fingerprint}", operation_id = "withdraw_approval", tag = "policies", security(("token" = ["contracts:write"])),
    params(ApprovalPath),
    responses((status = 200, description = "The approval, as it was.", body = Approval)))]
pub(super) async fn withdraw_approval(
    _caller: Caller<needs::ContractsWrite>,
    context: Context,
    State(app): State<AppState>,
    Path(path): Path<ApprovalPath>,
) -> Result<Reply, Problem> {
    let api = Asks::of(app.hops.of(&context)).api(&path.api.to_string()).await?;
    let approval = app.store.approval(api.id, &path.fingerprint).await?.ok_or_else(Problem::not_found)?;
    app.store.withdraw_approval(api.id, &approval.fingerprint, context.now).await?;
    Reply::ok(&approval)
}
