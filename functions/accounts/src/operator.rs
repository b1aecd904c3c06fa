//! What the operator of a deployment does: invokes the function itself, with the rights of the cloud account.
//!
//! `{"operator": "create_organization", "slug", "name", "owner": {"name", "email"}}` is how the first owner comes to be.
//! `{"operator": "create_owner_token", "organization": "<slug>"}` helps whoever lost the last token of an owner.

use serde_json::Value;
use shared::chassis::extract::parse;
use shared::chassis::reply::Reply;
use shared::principal::Role;
use shared::problem::{Kind, Problem};
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;

use crate::domain::{Member, Organization, Token, TokenSecret};
use crate::error::Error;
use crate::routes::{IssuedToken, Owner};
use crate::store::{Founding, Store};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateOrganization {
    slug: Slug,
    name: Label,
    owner: Owner,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateOwnerToken {
    organization: Slug,
}

#[derive(serde::Serialize)]
struct Created<'a> {
    organization: &'a Organization,
    member: &'a Member,
    token: IssuedToken,
}

/// Does what the operator asks for.
pub async fn act(store: &Store, mut payload: Value, now: Time) -> Result<Value, Problem> {
    let action = payload.as_object_mut().and_then(|payload| payload.remove("operator"));
    let body = serde_json::to_vec(&payload).map_err(Problem::internal)?;
    match action.as_ref().and_then(Value::as_str) {
        Some("create_organization") => create_organization(store, parse(&body)?, now).await,
        Some("create_owner_token") => create_owner_token(store, parse(&body)?, now).await,
        _ => Err(Problem::new(
            Kind::ValidationFailed,
            "Say what to do: `operator` is `create_organization` or `create_owner_token`.",
        )
        .field("/operator", "must be `create_organization` or `create_owner_token`")),
    }
}

/// The name of an organization's first token.
pub(crate) fn first_token() -> Result<Label, Problem> {
    "First owner's token".parse().map_err(Problem::internal)
}

async fn create_organization(store: &Store, wish: CreateOrganization, now: Time) -> Result<Value, Problem> {
    let secret = TokenSecret::mint();
    let token = Token::new(&secret, first_token()?, Role::Owner, None, None, now);
    let founding = Founding {
        organization: Organization::new(wish.slug, wish.name, now),
        owner: Member::new(wish.owner.email, wish.owner.name, Role::Owner, now),
        token,
        secret,
    };
    store.found(&founding, None, &Reply::ok(&Value::Null)?, now).await?;
    let created = Created {
        organization: &founding.organization,
        member: &founding.owner,
        token: IssuedToken::shown(&founding.token, &founding.secret),
    };
    serde_json::to_value(&created).map_err(Problem::internal)
}

async fn create_owner_token(store: &Store, wish: CreateOwnerToken, now: Time) -> Result<Value, Problem> {
    let organization = match store.organization_of_slug(&wish.organization).await {
        Err(Error::NotFound) => return Err(Problem::invalid("/organization", "is no organization's slug")),
        other => other?,
    };
    let secret = TokenSecret::mint();
    let token =
        Token::new(&secret, "Made by the operator".parse().map_err(Problem::internal)?, Role::Owner, None, None, now);
    store.add_token(&organization.party(), &token, &secret, None, &Reply::ok(&Value::Null)?, now).await?;
    serde_json::to_value(
        serde_json::json!({ "organization": organization, "token": IssuedToken::shown(&token, &secret) }),
    )
    .map_err(Problem::internal)
}
