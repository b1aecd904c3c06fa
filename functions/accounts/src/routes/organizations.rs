//! Organizations.

use axum::extract::State;
use shared::chassis::extract::{Caller, Idempotency, IfMatch, Json, Now, Path};
use shared::chassis::reply::Reply;
use shared::principal::{Permission, Role, needs};
use shared::problem::Problem;
use shared::slug::{Name, Slug};
use shared::text::Label;

use super::{AppState, IssuedToken};
use crate::domain::{Email, Member, Organization, Token, TokenSecret};
use crate::error::Error;
use crate::operator::first_token;
use crate::store::Founding;

/// An organization's slug or id.
type OrganizationName = Name<shared::id::Organization>;

/// A person who becomes an organization's first owner.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The person's name.
    pub name: Label,
    /// The person's e-mail address.
    pub email: Email,
}

/// A new organization.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrganization {
    /// Unique on the platform, never changes.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// Its first owner; the longest-standing owner of the caller's organization when left out, which takes `accounts:read`.
    #[serde(default)]
    owner: Option<Owner>,
}

/// What may be changed of an organization.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationChange {
    /// Its name for people.
    name: Label,
}

/// An organization that was just founded.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct FoundedOrganization<'a> {
    #[serde(flatten)]
    organization: &'a Organization,
    /// Its first token, with an owner's role and the end of the token that founded it.
    token: IssuedToken,
}

/// The caller's own organization.
#[utoipa::path(get, path = "/v1/accounts/organization", operation_id = "get_own_organization", tag = "organizations", security(("token" = ["accounts:read"])),
    responses((status = 200, description = "The organization.", body = Organization, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn own(caller: Caller<needs::AccountsRead>, State(app): State<AppState>) -> Result<Reply, Problem> {
    let organization = app.store.organization(caller.organization.id).await?;
    Ok(Reply::ok(&organization)?.revision(organization.revision))
}

/// Changes the caller's own organization.
#[utoipa::path(patch, path = "/v1/accounts/organization", operation_id = "change_organization", tag = "organizations", security(("token" = ["accounts:write"])),
    params(("If-Match" = String, Header, description = "The `ETag` that the organization had when it was read.")),
    request_body = OrganizationChange,
    responses((status = 200, description = "The organization as it is now.", body = Organization, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn change(
    caller: Caller<needs::AccountsWrite>,
    Now(now): Now,
    IfMatch(revision): IfMatch,
    State(app): State<AppState>,
    Json(body): Json<OrganizationChange>,
) -> Result<Reply, Problem> {
    let before = app.store.organization(caller.organization.id).await?;
    if before.revision != revision {
        return Err(Error::Stale.into());
    }
    let organization = before.renamed(body.name, now);
    app.store.change_organization(&organization, now).await?;
    Ok(Reply::ok(&organization)?.revision(organization.revision))
}

/// An organization by its slug or id: the caller's own.
#[utoipa::path(get, path = "/v1/accounts/organizations/{organization}", operation_id = "get_organization", tag = "organizations", security(("token" = ["accounts:read"])),
    params(("organization" = OrganizationName, Path, description = "The organization's slug or id.")),
    responses((status = 200, description = "The organization.", body = Organization, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn by_name(
    caller: Caller<needs::AccountsRead>,
    Path(name): Path<OrganizationName>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let own = match &name {
        Name::Id(id) => *id == caller.organization.id,
        Name::Slug(slug) => *slug == caller.organization.slug,
    };
    if !own {
        return Err(Problem::not_found());
    }
    let organization = app.store.organization(caller.organization.id).await?;
    Ok(Reply::ok(&organization)?.revision(organization.revision))
}

/// Founds another organization, with an owner and a token whose secret is in this answer only.
#[utoipa::path(post, path = "/v1/accounts/organizations", operation_id = "found_organization", tag = "organizations", security(("token" = ["organizations:create"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request harmless for 24 hours; the repeated answer has `secret_shown` instead of the secret.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body = NewOrganization,
    responses((status = 201, description = "The organization and its first token.", body = FoundedOrganization,
        headers(("ETag" = String, description = "Its revision."), ("Location" = String, description = "Its address.")))))]
pub(crate) async fn found(
    caller: Caller<needs::OrganizationsCreate>,
    Now(now): Now,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Json(body): Json<NewOrganization>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let owner = match body.owner {
        Some(owner) => owner,
        None if !caller.may(Permission::AccountsRead) => {
            return Err(Problem::invalid("/owner", "is required: your token may not read who owns your organization"));
        }
        None => app
            .store
            .first_owner(caller.organization.id)
            .await
            .map(|owner| Owner { name: owner.name, email: owner.email })?,
    };
    let secret = TokenSecret::mint();
    let founding = Founding {
        organization: Organization::new(body.slug, body.name, now),
        owner: Member::new(owner.email, owner.name, Role::Owner, now),
        token: Token::new(&secret, first_token()?, Role::Owner, None, app.store.own_end(&caller).await?, now),
        secret,
    };
    let organization = &founding.organization;
    let hidden = FoundedOrganization { organization, token: IssuedToken::hidden(&founding.token) };
    let shown = FoundedOrganization { organization, token: IssuedToken::shown(&founding.token, &founding.secret) };
    let reply = Reply::created(&shown, format!("/v1/accounts/organizations/{}", organization.slug))?
        .revision(organization.revision);
    let earlier = app.store.found(&founding, idempotency.as_ref(), &reply.with_body(&hidden)?, now).await?;
    Ok(earlier.unwrap_or(reply))
}
