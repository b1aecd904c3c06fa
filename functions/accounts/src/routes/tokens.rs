//! Tokens.

use axum::extract::State;
use shared::chassis::extract::{Caller, Idempotency, Json, Now, Path, Query};
use shared::chassis::reply::Reply;
use shared::id::TokenId;
use shared::page::{Page, PageQuery};
use shared::principal::{Permission, Role, needs};
use shared::problem::Problem;
use shared::text::Label;
use shared::time::Time;

use super::AppState;
use crate::domain::{Token, TokenSecret, expiry, may_grant, scopes};

/// A new token.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// Its name for people.
    name: Label,
    /// The role that it acts with.
    role: Role,
    /// What the role is narrowed to, permissions that it has; all of them when left out.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 14)]
    scopes: Option<Vec<Permission>>,
    /// When it stops, not after the token that makes it; never by itself when left out.
    #[serde(default)]
    expires_at: Option<Time>,
}

/// A token that was just made: its secret is in this answer only.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct IssuedToken {
    #[serde(flatten)]
    token: Token,
    /// The secret, to be sent as `Authorization: Bearer …`.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Stands in the place of the secret when the request is repeated: it was shown before.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_shown: Option<bool>,
}

impl IssuedToken {
    /// With its secret.
    #[must_use]
    pub fn shown(token: &Token, secret: &TokenSecret) -> Self {
        Self { token: token.clone(), secret: Some(secret.reveal()), secret_shown: None }
    }

    /// As a repeated request sees it.
    #[must_use]
    pub fn hidden(token: &Token) -> Self {
        Self { token: token.clone(), secret: None, secret_shown: Some(true) }
    }
}

/// The organization's tokens, the oldest first, without their secrets.
#[utoipa::path(get, path = "/v1/accounts/tokens", operation_id = "list_tokens", tag = "tokens", security(("token" = ["accounts:read"])),
    params(PageQuery), responses((status = 200, description = "A page of tokens.", body = Page<Token>)))]
pub(crate) async fn list(
    caller: Caller<needs::AccountsRead>,
    Query(query): Query<PageQuery>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let list = format!("tokens/{}", caller.organization.id);
    let page = app.pages.open(&list, &query)?;
    let slice = app.store.tokens(caller.organization.id, &page).await?;
    Reply::ok(&app.pages.page(&list, slice.rows, slice.position)?)
}

/// Issues a token. Nobody gives away more than they have.
#[utoipa::path(post, path = "/v1/accounts/tokens", operation_id = "issue_token", tag = "tokens", security(("token" = ["accounts:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request harmless for 24 hours; the repeated answer has `secret_shown` instead of the secret.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body = NewToken,
    responses((status = 201, description = "The token and its secret.", body = IssuedToken, headers(("ETag" = String, description = "Its revision."), ("Location" = String, description = "Its address.")))))]
pub(crate) async fn issue(
    caller: Caller<needs::AccountsWrite>,
    Now(now): Now,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Json(body): Json<NewToken>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let scopes = body.scopes.map(|wished| scopes(body.role, wished)).transpose()?;
    may_grant(&caller, body.role, scopes.as_deref())?;
    let expires_at = expiry(body.expires_at, app.store.own_end(&caller).await?, now)?;
    let secret = TokenSecret::mint();
    let token = Token::new(&secret, body.name, body.role, scopes, expires_at, now);
    let reply = Reply::created(&IssuedToken::shown(&token, &secret), format!("/v1/accounts/tokens/{}", token.id))?
        .revision(token.revision);
    let hidden = reply.with_body(&IssuedToken::hidden(&token))?;
    let earlier =
        app.store.add_token(&caller.organization, &token, &secret, idempotency.as_ref(), &hidden, now).await?;
    Ok(earlier.unwrap_or(reply))
}

/// A token, without its secret.
#[utoipa::path(get, path = "/v1/accounts/tokens/{token}", operation_id = "get_token", tag = "tokens", security(("token" = ["accounts:read"])),
    params(("token" = TokenId, Path, description = "The token's id.")),
    responses((status = 200, description = "The token.", body = Token, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn one(
    caller: Caller<needs::AccountsRead>,
    Path(id): Path<TokenId>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let token = app.store.token(caller.organization.id, id).await?;
    Ok(Reply::ok(&token)?.revision(token.revision))
}

/// Revokes a token: the next call with it is refused, everywhere. Revoking it again changes nothing.
#[utoipa::path(post, path = "/v1/accounts/tokens/{token}/revoke", operation_id = "revoke_token", tag = "tokens", security(("token" = ["accounts:write"])),
    params(("token" = TokenId, Path, description = "The token's id.")),
    responses((status = 200, description = "The revoked token.", body = Token, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn revoke(
    caller: Caller<needs::AccountsWrite>,
    Now(now): Now,
    Path(id): Path<TokenId>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let token = app.store.revoke_token(caller.organization.id, id, now).await?;
    Ok(Reply::ok(&token)?.revision(token.revision))
}
