//! Subscriptions.

use axum::extract::{FromRequestParts, State as Extract};
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Idempotency, Json, Optional, Path, Query};
use shared::chassis::reply::Reply;
use shared::event::Terms;
use shared::id::{AppId, Plan, SubscriptionId};
use shared::page::{Page, PageQuery, Pages};
use shared::principal::{Principal, needs};
use shared::problem::{Kind, Problem};
use shared::slug::Name;

use super::apps::{app_not_found, obstacle};
use super::product::{ProductName, plan_not_found};
use super::{ATTEMPTS_MAX, IdempotencyKey, step_aside};
use crate::State;
use crate::domain::{Action, Note, Side, Subscription as Domain, Summary, Verb};
use crate::store::Outcome;

/// An alias, because the schema's macro would ask the id's kind for a schema of its own.
type PlanName = Name<Plan>;

/// A new subscription.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Subscribe {
    /// The app that subscribes, one's own.
    app: AppId,
    /// The product: `organization/product`, or `product` for one of one's own; each by slug or by id.
    product: ProductName,
    /// The plan, by slug or by id.
    plan: PlanName,
}

/// Which plan a subscription moves to.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePlan {
    /// A plan of the same product, by slug or by id. The plan that it has already means that plan's newest version.
    plan: PlanName,
}

/// Why something is done; for both sides to read.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// The reason.
    #[serde(default)]
    reason: Option<Note>,
}

/// Which subscriptions are listed, and how many of them.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// The side that one's own organization has; `consumer` when left out.
    #[serde(default)]
    #[param(inline)]
    side: Option<Side>,
    /// At most so many items, 1 to 200; 50 when left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    page_token: Option<String>,
}

/// A subscription.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Subscription {
    #[serde(flatten)]
    summary: Summary,
    /// The terms that hold now.
    terms: Terms,
    /// Raised by every change of the terms.
    terms_revision: u64,
}

impl Subscription {
    fn of(subscription: &Domain) -> Self {
        Self {
            summary: Summary::of(subscription),
            terms: subscription.state.terms.clone(),
            terms_revision: subscription.state.terms_revision,
        }
    }
}

fn present(subscription: &Domain) -> Result<Reply, Problem> {
    Ok(Reply::ok(&Subscription::of(subscription))?.revision(subscription.revision))
}

/// Whoever may cancel on one of the sides; on which one is the domain's to say.
pub(super) struct EitherSide(Principal);

impl<S: Send + Sync> FromRequestParts<S> for EitherSide {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match <Caller<needs::SubscriptionsWrite> as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(caller) => Ok(Self(caller.0)),
            Err(problem) if problem.kind == Kind::Forbidden => {
                match <Caller<needs::SubscriptionsApprove> as FromRequestParts<S>>::from_request_parts(parts, state)
                    .await
                {
                    Ok(caller) => Ok(Self(caller.0)),
                    Err(_) => Err(problem),
                }
            }
            Err(problem) => Err(problem),
        }
    }
}

/// Before a stored answer is given again: tells the door how the subscription is now, so that the answer's promise holds even
/// where the first attempt died between its write and the door.
async fn keep_promise(state: &State, context: &Context, id: Option<SubscriptionId>) -> Result<(), Problem> {
    let Some(id) = id else { return Ok(()) };
    match state.store.subscription(id).await? {
        Some(subscription) => state.tell(context, &subscription.state).await,
        None => Ok(()),
    }
}

/// What a stored answer made: the last part of its `Location`.
fn made(reply: &Reply) -> Option<SubscriptionId> {
    reply.location()?.rsplit('/').next()?.parse().ok()
}

/// Subscribes an app to a plan. The subscription is `active` at once, or `requested` where the plan asks for the provider's approval.
#[utoipa::path(post, path = "/v1/subscriptions", operation_id = "subscribe", tag = "subscriptions", security(("token" = ["subscriptions:write"])),
    params(IdempotencyKey),
    request_body = Subscribe,
    responses((status = 201, description = "The subscription.", body = Subscription, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn create(
    caller: Caller<needs::SubscriptionsWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    Extract(state): Extract<State>,
    Json(body): Json<Subscribe>,
) -> Result<Reply, Problem> {
    if let Some(reply) = state.store.replay(idempotency.as_ref()).await? {
        keep_promise(&state, &context, made(&reply)).await?;
        return Ok(reply);
    }
    let app = state.store.app(caller.organization.id, body.app).await?.ok_or_else(app_not_found)?;
    let (product, offer) = body.product.offer(&state.hops.of(&context), &caller.organization, &body.plan).await?;
    let subscription = Domain::new(&app, product, offer, context.now)?;
    let reply =
        Reply::created(&Subscription::of(&subscription), format!("/v1/subscriptions/{}", subscription.state.id))?
            .revision(subscription.revision);
    match state.store.subscribe(&subscription, idempotency.as_ref(), &reply, context.now).await? {
        Outcome::Done => {
            state.tell(&context, &subscription.state).await?;
            Ok(reply)
        }
        Outcome::Replay(reply) => {
            keep_promise(&state, &context, made(&reply)).await?;
            Ok(reply)
        }
        Outcome::Against(against) => Err(obstacle(&against)),
        Outcome::Stale => Err(Problem::unavailable("a subscription of this id exists")),
    }
}

/// Lists the subscriptions of one's own organization on one side, oldest first, without their terms.
#[utoipa::path(get, path = "/v1/subscriptions", operation_id = "list_subscriptions", tag = "subscriptions", security(("token" = ["subscriptions:read"])), params(ListQuery),
    responses((status = 200, description = "A page of subscriptions.", body = Page<Summary>)))]
pub(super) async fn list(
    caller: Caller<needs::SubscriptionsRead>,
    Query(query): Query<ListQuery>,
    Extract(pages): Extract<Pages>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    let organization = caller.organization.id;
    let side = query.side.unwrap_or_default();
    let list = format!("subscriptions/{side:?}/{organization}");
    let page = pages.open(&list, &PageQuery { page_size: query.page_size, page_token: query.page_token })?;
    let slice = state.store.subscriptions(organization, side, &page).await?;
    Reply::ok(&pages.page(&list, slice.rows, slice.position)?)
}

/// Reads a subscription, from either side.
#[utoipa::path(get, path = "/v1/subscriptions/{subscription}", operation_id = "get_subscription", tag = "subscriptions", security(("token" = ["subscriptions:read"])),
    params(("subscription" = inline(SubscriptionId), Path, description = "The subscription's id.")),
    responses((status = 200, description = "The subscription.", body = Subscription, headers(("ETag" = String)))))]
pub(super) async fn get(
    caller: Caller<needs::SubscriptionsRead>,
    Path(id): Path<SubscriptionId>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    present(&known(&state, &caller, id).await?)
}

/// A subscription that the caller's organization is a side of. Everybody else's is not there.
async fn known(state: &State, caller: &Principal, id: SubscriptionId) -> Result<Domain, Problem> {
    let subscription = state.store.subscription(id).await?;
    subscription.filter(|subscription| subscription.is_known_to(caller.organization.id)).ok_or_else(Problem::not_found)
}

/// One request for a change.
struct Wish<'a> {
    state: &'a State,
    caller: &'a Principal,
    context: &'a Context,
    idempotency: Option<&'a Idempotency>,
    id: SubscriptionId,
}

impl Wish<'_> {
    /// The answer of a request that came before, once its promise holds.
    async fn replayed(&self) -> Result<Option<Reply>, Problem> {
        let Some(reply) = self.state.store.replay(self.idempotency).await? else { return Ok(None) };
        keep_promise(self.state, self.context, Some(self.id)).await?;
        Ok(Some(reply))
    }

    /// Does it: the domain's rule, one transaction, and the door before the answer.
    async fn act(&self, action: Action) -> Result<Reply, Problem> {
        if let Some(reply) = self.replayed().await? {
            return Ok(reply);
        }
        for _ in 0..ATTEMPTS_MAX {
            let before = known(self.state, self.caller, self.id).await?;
            before.permit(self.caller, action.verb())?;
            let after = match before.apply(action.clone(), self.context.now) {
                Ok(after) => after,
                Err(refusal) => {
                    // Whoever is told that it is cancelled already may rely on that too.
                    self.state.tell(self.context, &before.state).await?;
                    return Err(refusal.into());
                }
            };
            let reply = present(&after)?;
            let outcome = if after.revision == before.revision {
                Outcome::Done
            } else {
                self.state.store.change(&after, before.revision, self.idempotency, &reply, self.context.now).await?
            };
            match outcome {
                Outcome::Done => {
                    self.state.tell(self.context, &after.state).await?;
                    return Ok(reply);
                }
                Outcome::Replay(reply) => {
                    keep_promise(self.state, self.context, Some(self.id)).await?;
                    return Ok(reply);
                }
                Outcome::Against(against) => return Err(obstacle(&against)),
                Outcome::Stale => step_aside().await,
            }
        }
        Err(Problem::unavailable("the subscription is being changed all the time"))
    }
}

/// Lets a requested subscription in: its keys open the door.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription}/approve", operation_id = "approve_subscription", tag = "provider", security(("token" = ["subscriptions:approve"])),
    params(("subscription" = inline(SubscriptionId), Path, description = "The subscription's id."), IdempotencyKey),
    responses((status = 200, description = "The subscription, active.", body = Subscription, headers(("ETag" = String)))))]
pub(super) async fn approve(
    caller: Caller<needs::SubscriptionsApprove>,
    context: Context,
    idempotency: Option<Idempotency>,
    Path(id): Path<SubscriptionId>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    Wish { state: &state, caller: &caller, context: &context, idempotency: idempotency.as_ref(), id }
        .act(Action::Approve)
        .await
}

/// Turns a requested subscription away.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription}/decline", operation_id = "decline_subscription", tag = "provider", security(("token" = ["subscriptions:approve"])),
    params(("subscription" = inline(SubscriptionId), Path, description = "The subscription's id."), IdempotencyKey),
    request_body = Option<Reason>,
    responses((status = 200, description = "The subscription, cancelled.", body = Subscription, headers(("ETag" = String)))))]
pub(super) async fn decline(
    caller: Caller<needs::SubscriptionsApprove>,
    context: Context,
    idempotency: Option<Idempotency>,
    Path(id): Path<SubscriptionId>,
    Extract(state): Extract<State>,
    Optional(body): Optional<Reason>,
) -> Result<Reply, Problem> {
    Wish { state: &state, caller: &caller, context: &context, idempotency: idempotency.as_ref(), id }
        .act(Action::Decline(body.reason))
        .await
}

/// Stops an active subscription for now: from the answer on, none of its keys opens the door; where its terms admit from leases,
/// within two seconds of it.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription}/suspend", operation_id = "suspend_subscription", tag = "provider", security(("token" = ["subscriptions:approve"])),
    params(("subscription" = inline(SubscriptionId), Path, description = "The subscription's id."), IdempotencyKey),
    request_body = Option<Reason>,
    responses((status = 200, description = "The subscription, suspended.", body = Subscription, headers(("ETag" = String)))))]
pub(super) async fn suspend(
    caller: Caller<needs::SubscriptionsApprove>,
    context: Context,
    idempotency: Option<Idempotency>,
    Path(id): Path<SubscriptionId>,
    Extract(state): Extract<State>,
    Optional(body): Optional<Reason>,
) -> Result<Reply, Problem> {
    Wish { state: &state, caller: &caller, context: &context, idempotency: idempotency.as_ref(), id }
        .act(Action::Suspend(body.reason))
        .await
}

/// Ends a suspension.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription}/resume", operation_id = "resume_subscription", tag = "provider", security(("token" = ["subscriptions:approve"])),
    params(("subscription" = inline(SubscriptionId), Path, description = "The subscription's id."), IdempotencyKey),
    responses((status = 200, description = "The subscription, active.", body = Subscription, headers(("ETag" = String)))))]
pub(super) async fn resume(
    caller: Caller<needs::SubscriptionsApprove>,
    context: Context,
    idempotency: Option<Idempotency>,
    Path(id): Path<SubscriptionId>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    Wish { state: &state, caller: &caller, context: &context, idempotency: idempotency.as_ref(), id }
        .act(Action::Resume)
        .await
}

/// Ends a subscription for good. The consumer needs `subscriptions:write`, the provider `subscriptions:approve`.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription}/cancel", operation_id = "cancel_subscription", tag = "subscriptions",
    security(("token" = ["subscriptions:write"]), ("token" = ["subscriptions:approve"])),
    params(("subscription" = inline(SubscriptionId), Path, description = "The subscription's id."), IdempotencyKey),
    responses((status = 200, description = "The subscription, cancelled.", body = Subscription, headers(("ETag" = String)))))]
pub(super) async fn cancel(
    EitherSide(caller): EitherSide,
    context: Context,
    idempotency: Option<Idempotency>,
    Path(id): Path<SubscriptionId>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    Wish { state: &state, caller: &caller, context: &context, idempotency: idempotency.as_ref(), id }
        .act(Action::Cancel)
        .await
}

/// Moves an active subscription to the newest terms of a plan of the same product. They hold from the next call on; where the terms before
/// admit from leases, within two seconds.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription}/change-plan", operation_id = "change_plan", tag = "subscriptions", security(("token" = ["subscriptions:write"])),
    params(("subscription" = inline(SubscriptionId), Path, description = "The subscription's id."), IdempotencyKey),
    request_body = ChangePlan,
    responses((status = 200, description = "The subscription with its new terms.", body = Subscription, headers(("ETag" = String)))))]
pub(super) async fn change_plan(
    caller: Caller<needs::SubscriptionsWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    Path(id): Path<SubscriptionId>,
    Extract(state): Extract<State>,
    Json(body): Json<ChangePlan>,
) -> Result<Reply, Problem> {
    let wish = Wish { state: &state, caller: &caller, context: &context, idempotency: idempotency.as_ref(), id };
    if let Some(reply) = wish.replayed().await? {
        return Ok(reply);
    }
    let before = known(&state, &caller, id).await?;
    // Who asks comes before what is asked for: the other side learns nothing about plans.
    before.permit(&caller, Verb::ChangePlan)?;
    if let Err(refusal) = before.allow(Verb::ChangePlan) {
        state.tell(&context, &before.state).await?;
        return Err(refusal.into());
    }
    let product = ProductName::of(&before.state.provider, before.state.product);
    let offer = product.offer(&state.hops.of(&context), &caller.organization, &body.plan).await;
    let (_, offer) =
        offer.map_err(|problem| if problem.kind == Kind::NotFound { plan_not_found() } else { problem })?;
    wish.act(Action::ChangePlan(Box::new(offer))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_answer_says_what_it_made() {
        let id = SubscriptionId::new();
        let reply = Reply::created(&(), format!("/v1/subscriptions/{id}")).unwrap();
        assert_eq!(made(&reply), Some(id));
        assert_eq!(made(&Reply::ok(&()).unwrap()), None);
    }
}
