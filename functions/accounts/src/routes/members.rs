//! Members.

use axum::extract::State;
use http::StatusCode;
use shared::chassis::extract::{Caller, Idempotency, IfMatch, Json, Now, Path, Query};
use shared::chassis::reply::Reply;
use shared::id::MemberId;
use shared::page::{Page, PageQuery};
use shared::principal::{Role, needs};
use shared::problem::Problem;
use shared::text::Label;

use super::AppState;
use crate::domain::{Email, Member, may_grant};
use crate::error::Error;

/// A new member.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMember {
    /// The person's e-mail address, unique in the organization.
    email: Email,
    /// The person's name.
    name: Label,
    /// The role.
    role: Role,
}

/// What may be changed of a member.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberChange {
    /// The role.
    #[serde(default)]
    role: Option<Role>,
    /// The person's name.
    #[serde(default)]
    name: Option<Label>,
}

/// The organization's members, the oldest first.
#[utoipa::path(get, path = "/v1/accounts/members", operation_id = "list_members", tag = "members", security(("token" = ["accounts:read"])),
    params(PageQuery), responses((status = 200, description = "A page of members.", body = Page<Member>)))]
pub(crate) async fn list(
    caller: Caller<needs::AccountsRead>,
    Query(query): Query<PageQuery>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let list = format!("members/{}", caller.organization.id);
    let page = app.pages.open(&list, &query)?;
    let slice = app.store.members(caller.organization.id, &page).await?;
    Reply::ok(&app.pages.page(&list, slice.rows, slice.position)?)
}

/// Adds a member.
#[utoipa::path(post, path = "/v1/accounts/members", operation_id = "add_member", tag = "members", security(("token" = ["accounts:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request harmless for 24 hours.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body = NewMember,
    responses((status = 201, description = "The member.", body = Member, headers(("ETag" = String, description = "Its revision."), ("Location" = String, description = "Its address.")))))]
pub(crate) async fn add(
    caller: Caller<needs::AccountsWrite>,
    Now(now): Now,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Json(body): Json<NewMember>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    may_grant(&caller, body.role, None)?;
    let member = Member::new(body.email, body.name, body.role, now);
    let reply = Reply::created(&member, format!("/v1/accounts/members/{}", member.id))?.revision(member.revision);
    let earlier = app.store.add_member(caller.organization.id, &member, idempotency.as_ref(), &reply, now).await?;
    Ok(earlier.unwrap_or(reply))
}

/// A member.
#[utoipa::path(get, path = "/v1/accounts/members/{member}", operation_id = "get_member", tag = "members", security(("token" = ["accounts:read"])),
    params(("member" = MemberId, Path, description = "The member's id.")),
    responses((status = 200, description = "The member.", body = Member, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn one(
    caller: Caller<needs::AccountsRead>,
    Path(id): Path<MemberId>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let member = app.store.member(caller.organization.id, id).await?;
    Ok(Reply::ok(&member)?.revision(member.revision))
}

/// Changes a member's role or name.
#[utoipa::path(patch, path = "/v1/accounts/members/{member}", operation_id = "change_member", tag = "members", security(("token" = ["accounts:write"])),
    params(("member" = MemberId, Path, description = "The member's id."), ("If-Match" = String, Header, description = "The `ETag` that the member had when it was read.")),
    request_body = MemberChange,
    responses((status = 200, description = "The member as it is now.", body = Member, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn change(
    caller: Caller<needs::AccountsWrite>,
    Now(now): Now,
    Path(id): Path<MemberId>,
    IfMatch(revision): IfMatch,
    State(app): State<AppState>,
    Json(body): Json<MemberChange>,
) -> Result<Reply, Problem> {
    let before = app.store.member(caller.organization.id, id).await?;
    if before.revision != revision {
        return Err(Error::Stale.into());
    }
    let member = before.changed(body.role, body.name, now);
    if member.role != before.role {
        may_grant(&caller, member.role, None)?;
    }
    app.store.change_member(caller.organization.id, &before, &member, now).await?;
    Ok(Reply::ok(&member)?.revision(member.revision))
}

/// Removes a member. The last owner stays.
#[utoipa::path(delete, path = "/v1/accounts/members/{member}", operation_id = "remove_member", tag = "members", security(("token" = ["accounts:write"])),
    params(("member" = MemberId, Path, description = "The member's id.")), responses((status = 204, description = "The member is gone.")))]
pub(crate) async fn remove(
    caller: Caller<needs::AccountsWrite>,
    Now(now): Now,
    Path(id): Path<MemberId>,
    State(app): State<AppState>,
) -> Result<StatusCode, Problem> {
    app.store.remove_member(caller.organization.id, id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}
