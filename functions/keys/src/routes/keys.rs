//! The handlers.

use axum::extract::State as Extract;
use serde::Deserialize;
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Idempotency, IfMatch, Json, Now, Optional, Path, Query};
use shared::chassis::reply::Reply;
use shared::event::SubscriptionPhase;
use shared::id::{KeyId, OrganizationId, SubscriptionId};
use shared::page::{Page, PageQuery, Pages};
use shared::principal::{Party, Permission, needs};
use shared::problem::{Kind, Problem};
use shared::seal::sha256_hex;
use shared::secret_key;
use shared::text::Label;
use shared::time::Time;

use super::present::{IssuedKey, Key, issued};
use super::{ATTEMPTS_MAX, IdempotencyKey, step_aside};
use crate::State;
use crate::domain::{self, Print, Ring, Rotation};
use crate::store::{Outcome, Write};

/// A new key.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IssueKey {
    /// The subscription that it opens the door for: one's own, and active.
    subscription: SubscriptionId,
    /// Its name for people.
    name: Label,
    /// When it stops by itself; never when left out.
    #[serde(default)]
    expires_at: Option<Time>,
}

/// How a key is rotated.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateKey {
    /// How long the key lives on beside its successor, in seconds, up to 30 days; not at all when left out.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_seconds: u32,
    /// When the successor stops by itself; when the key itself would have stopped, when left out.
    #[serde(default)]
    expires_at: Option<Time>,
}

/// A change of a key.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RenameKey {
    /// Its name for people; stays when left out.
    #[serde(default)]
    name: Option<Label>,
}

/// Which keys are listed, and how many of them.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only the keys of this subscription of one's own.
    #[serde(default)]
    #[param(inline)]
    subscription: Option<SubscriptionId>,
    /// At most so many items, 1 to 200; 50 when left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    page_token: Option<String>,
}

/// As much of `subscriptions`' answer as matters here.
#[derive(Deserialize)]
struct Subscription {
    state: SubscriptionPhase,
    organization: Party,
}

/// Asks `subscriptions` for one's own subscription. The provider's side of it has no keys, and is told as little as a stranger.
async fn own_subscription(
    state: &State,
    context: &Context,
    own: OrganizationId,
    id: SubscriptionId,
) -> Result<Option<Subscription>, Problem> {
    match state.hops.of(context).get::<Subscription>(&format!("/v1/subscriptions/{id}")).await {
        Ok(subscription) => Ok((subscription.organization.id == own).then_some(subscription)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into_problem()),
    }
}

/// Makes a secret, and what is kept of it.
fn mint(state: &State) -> (String, Print) {
    let secret = secret_key::mint(&state.door);
    let print = Print { prefix: secret_key::shown(&secret), sha256: sha256_hex(secret.as_bytes()) };
    (secret, print)
}

/// Before a stored answer is given again: tells the door how its keys are now, so that the answer's promise holds even where the
/// first attempt died between its write and the door.
async fn keep_promise(
    state: &State,
    context: &Context,
    organization: OrganizationId,
    reply: Reply,
) -> Result<Reply, Problem> {
    let Some(id) = made(&reply) else { return Ok(reply) };
    let Some(key) = state.store.key(organization, id).await? else { return Ok(reply) };
    let before = match key.rotated_from {
        Some(id) => state.store.key(organization, id).await?,
        None => None,
    };
    let keys: Vec<_> = std::iter::once(&key).chain(&before).collect();
    state.tell(context, &keys).await?;
    Ok(reply)
}

/// What a stored answer made: the last part of its `Location`.
fn made(reply: &Reply) -> Option<KeyId> {
    reply.location()?.rsplit('/').next()?.parse().ok()
}

fn busy() -> Problem {
    Problem::unavailable("the subscription's keys are being changed all the time")
}

/// Issues a key. It opens the door on the call after the answer, which is the only one that has the secret.
#[utoipa::path(post, path = "/v1/keys", operation_id = "issue_key", tag = "keys", security(("token" = ["keys:write"])), params(IdempotencyKey),
    request_body = IssueKey,
    responses((status = 201, description = "The key, with its secret.", body = IssuedKey, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn issue(
    caller: Caller<needs::KeysWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    Extract(state): Extract<State>,
    Json(body): Json<IssueKey>,
) -> Result<Reply, Problem> {
    let organization = caller.organization.id;
    if let Some(reply) = state.store.replay(idempotency.as_ref()).await? {
        return keep_promise(&state, &context, organization, reply).await;
    }
    let not_found = || Problem::not_found().field("/subscription", "names no subscription of your organization");
    let subscription =
        own_subscription(&state, &context, organization, body.subscription).await?.ok_or_else(not_found)?;
    if subscription.state != SubscriptionPhase::Active {
        return Err(Problem::state("The subscription is not active: keys are issued for an active one only."));
    }
    let (secret, print) = mint(&state);
    for _ in 0..ATTEMPTS_MAX {
        let ring = state.store.ring(organization, body.subscription).await?.unwrap_or_default();
        let (ring, key) = ring.issue(body.subscription, &body.name, print.clone(), body.expires_at, context.now)?;
        let (reply, stored) = issued(&key, &secret, context.now)?;
        let write = Write { organization, now: context.now, idempotency: idempotency.as_ref(), reply: &stored };
        match state.store.issue(&write, &ring, &key).await? {
            Outcome::Done => {
                if let Err(problem) = state.tell(&context, &[&key]).await {
                    abandon(&state, context.now, idempotency.as_ref(), organization, key).await;
                    return Err(problem);
                }
                return Ok(reply);
            }
            Outcome::Replay(reply) => return keep_promise(&state, &context, organization, reply).await,
            Outcome::Stale => step_aside().await,
        }
    }
    Err(busy())
}

/// Takes back a key that the door could not be told of and whose secret nobody saw, as well as it goes: what stays of it is a key
/// without a holder.
async fn abandon(
    state: &State,
    now: Time,
    idempotency: Option<&Idempotency>,
    organization: OrganizationId,
    key: domain::Key,
) {
    for _ in 0..ATTEMPTS_MAX {
        let Ok(Some(ring)) = state.store.ring(organization, key.state.subscription).await else { return };
        let Some((ring, revoked)) = ring.revoke(&key, now) else { return };
        match state.store.abandon(organization, now, idempotency, &ring, &revoked).await {
            Ok(Outcome::Stale) => step_aside().await,
            // Where it failed: the answer is a 503 already, and its cause is in the log.
            Ok(_) | Err(_) => return,
        }
    }
}

/// Lists one's own keys, oldest first, without their secrets.
#[utoipa::path(get, path = "/v1/keys", operation_id = "list_keys", tag = "keys", security(("token" = ["keys:read"])), params(ListQuery),
    responses((status = 200, description = "A page of keys.", body = Page<Key>)))]
pub(super) async fn list(
    caller: Caller<needs::KeysRead>,
    context: Context,
    Query(query): Query<ListQuery>,
    Extract(pages): Extract<Pages>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    let organization = caller.organization.id;
    let list = match query.subscription {
        Some(subscription) => format!("keys/{organization}/{subscription}"),
        None => format!("keys/{organization}"),
    };
    let page = pages.open(&list, &PageQuery { page_size: query.page_size, page_token: query.page_token })?;
    if let Some(subscription) = query.subscription {
        // Where a key was ever issued, the subscription is one's own.
        let known = state.store.ring(organization, subscription).await?.is_some();
        if !known && own_subscription(&state, &context, organization, subscription).await?.is_none() {
            return Err(Problem::not_found());
        }
    }
    let slice = state.store.keys(organization, query.subscription, &page).await?;
    let items = slice.rows.iter().map(|key| Key::of(key, context.now)).collect();
    Reply::ok(&pages.page(&list, items, slice.position)?)
}

/// As much of `usage`'s answer as matters here.
#[derive(Deserialize)]
struct Usage {
    by_key: Vec<UsageOfKey>,
}

#[derive(Deserialize)]
struct UsageOfKey {
    key: KeyId,
    #[serde(default)]
    last_seen: Option<Time>,
}

/// Reads a key of one's own, without its secret.
#[utoipa::path(get, path = "/v1/keys/{key}", operation_id = "get_key", tag = "keys", security(("token" = ["keys:read"])),
    params(("key" = inline(KeyId), Path, description = "The key's id.")),
    responses((status = 200, description = "The key.", body = Key, headers(("ETag" = String)))))]
pub(super) async fn get(
    caller: Caller<needs::KeysRead>,
    context: Context,
    Path(id): Path<KeyId>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    let found = state.store.key(caller.organization.id, id).await?.ok_or_else(Problem::not_found)?;
    let mut key = Key::of(&found, context.now);
    if caller.may(Permission::UsageRead) {
        // A key can be read although usage cannot be asked.
        let usage =
            state.hops.of(&context).get::<Usage>(&format!("/v1/usage?subscription={}", found.state.subscription)).await;
        key.last_used_at =
            usage.ok().and_then(|usage| usage.by_key.into_iter().find(|counted| counted.key == id)?.last_seen);
    }
    key.reply()
}

/// Changes a key's name.
#[utoipa::path(patch, path = "/v1/keys/{key}", operation_id = "rename_key", tag = "keys", security(("token" = ["keys:write"])),
    params(("key" = inline(KeyId), Path, description = "The key's id."), ("If-Match" = String, Header, description = "The `ETag` of the key as it was read.")),
    request_body = RenameKey,
    responses((status = 200, description = "The key as it is now.", body = Key, headers(("ETag" = String)))))]
pub(super) async fn rename(
    caller: Caller<needs::KeysWrite>,
    Path(id): Path<KeyId>,
    IfMatch(revision): IfMatch,
    Now(now): Now,
    Extract(state): Extract<State>,
    Json(body): Json<RenameKey>,
) -> Result<Reply, Problem> {
    let outdated = || {
        Problem::new(Kind::PreconditionFailed, "The key was changed since you read it: read it again and decide anew.")
            .field("/header/if-match", "is not the key's `ETag`")
    };
    let organization = caller.organization.id;
    let key = state.store.key(organization, id).await?.ok_or_else(Problem::not_found)?;
    if key.revision != revision {
        return Err(outdated());
    }
    let renamed = body.name.map_or_else(|| key.clone(), |name| key.renamed(&name, now));
    if renamed.revision != revision && !matches!(state.store.rename(organization, &renamed, now).await?, Outcome::Done)
    {
        return Err(outdated());
    }
    Key::of(&renamed, now).reply()
}

/// Issues a successor to a key, which lives on for as long as asked for. Both hold from the next call on; the end of the old one,
/// where the terms admit from leases, within two seconds.
#[utoipa::path(post, path = "/v1/keys/{key}/rotate", operation_id = "rotate_key", tag = "keys", security(("token" = ["keys:write"])),
    params(("key" = inline(KeyId), Path, description = "The key's id."), IdempotencyKey),
    request_body = Option<RotateKey>,
    responses((status = 201, description = "The successor, with its secret.", body = IssuedKey, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn rotate(
    caller: Caller<needs::KeysWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    Path(id): Path<KeyId>,
    Extract(state): Extract<State>,
    Optional(body): Optional<RotateKey>,
) -> Result<Reply, Problem> {
    let organization = caller.organization.id;
    if let Some(reply) = state.store.replay(idempotency.as_ref()).await? {
        return keep_promise(&state, &context, organization, reply).await;
    }
    let (secret, print) = mint(&state);
    let wish = Rotation { overlap_s: body.overlap_seconds, expires_at: body.expires_at };
    for _ in 0..ATTEMPTS_MAX {
        let key = state.store.key(organization, id).await?.ok_or_else(Problem::not_found)?;
        let ring = ring_of(&state, organization, &key).await?;
        let name = key.state.name.parse().map_err(Problem::internal)?;
        let (ring, old, successor) = ring.rotate(&key, &name, print.clone(), wish, context.now)?;
        let (reply, stored) = issued(&successor, &secret, context.now)?;
        let write = Write { organization, now: context.now, idempotency: idempotency.as_ref(), reply: &stored };
        match state.store.rotate(&write, &ring, &old, &successor).await? {
            Outcome::Done => {
                state.tell(&context, &[&successor, &old]).await?;
                return Ok(reply);
            }
            Outcome::Replay(reply) => return keep_promise(&state, &context, organization, reply).await,
            Outcome::Stale => step_aside().await,
        }
    }
    Err(busy())
}

async fn ring_of(state: &State, organization: OrganizationId, key: &domain::Key) -> Result<Ring, Problem> {
    state
        .store
        .ring(organization, key.state.subscription)
        .await?
        .ok_or_else(|| Problem::internal("a key without its subscription's ring"))
}

/// Revokes a key: from the answer on it opens no door; where the terms admit from leases, within two seconds of it. A key that is
/// revoked already stays so.
#[utoipa::path(post, path = "/v1/keys/{key}/revoke", operation_id = "revoke_key", tag = "keys", security(("token" = ["keys:write"])),
    params(("key" = inline(KeyId), Path, description = "The key's id."), IdempotencyKey),
    responses((status = 200, description = "The key, revoked.", body = Key, headers(("ETag" = String)))))]
pub(super) async fn revoke(
    caller: Caller<needs::KeysWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    Path(id): Path<KeyId>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    let organization = caller.organization.id;
    let replayed = state.store.replay(idempotency.as_ref()).await?;
    for _ in 0..ATTEMPTS_MAX {
        let key = state.store.key(organization, id).await?.ok_or_else(Problem::not_found)?;
        let ring = ring_of(&state, organization, &key).await?;
        let Some((ring, revoked)) = ring.revoke(&key, context.now) else {
            // It may be the attempt before this one that died before the door knew.
            state.tell(&context, &[&key]).await?;
            return replayed.map_or_else(|| Key::of(&key, context.now).reply(), Ok);
        };
        let reply = Key::of(&revoked, context.now).reply()?;
        let write = Write { organization, now: context.now, idempotency: idempotency.as_ref(), reply: &reply };
        match state.store.revoke(&write, &ring, &revoked).await? {
            Outcome::Done => {
                state.tell(&context, &[&revoked]).await?;
                return Ok(reply);
            }
            // Read again: the key is revoked by now, and the door is told.
            Outcome::Replay(_) | Outcome::Stale => step_aside().await,
        }
    }
    Err(busy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_answer_says_what_it_made() {
        let id = KeyId::new();
        assert_eq!(made(&Reply::created(&(), format!("/v1/keys/{id}")).unwrap()), Some(id));
        assert_eq!(made(&Reply::ok(&()).unwrap()), None);
    }

    #[test]
    fn what_others_answer_is_understood() {
        let usage = format!(
            r#"{{"admitted": 1, "by_key": [{{"key": "{}", "name": "ci", "admitted": 1, "failed": 0, "last_seen": "2026-01-31T12:00:00.000Z"}}]}}"#,
            KeyId::new()
        );
        assert_eq!(
            serde_json::from_str::<Usage>(&usage).unwrap().by_key[0].last_seen.unwrap().to_string(),
            "2026-01-31T12:00:00.000Z"
        );
        let subscription = format!(
            r#"{{"id": "sub_x", "state": "active", "organization": {{"id": "{}", "slug": "acme"}}}}"#,
            OrganizationId::new()
        );
        assert!(serde_json::from_str::<Subscription>(&subscription).unwrap().state == SubscriptionPhase::Active);
    }
}
