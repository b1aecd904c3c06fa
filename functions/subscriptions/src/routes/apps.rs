//! Apps.

use axum::extract::State as Extract;
use axum::http::StatusCode;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Idempotency, IfMatch, Json, Now, Path, Query};
use shared::chassis::reply::Reply;
use shared::id::AppId;
use shared::page::{Page, PageQuery, Pages};
use shared::principal::{Party, needs};
use shared::problem::{Kind, Problem};
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;

use super::{ATTEMPTS_MAX, IdempotencyKey, step_aside};
use crate::State;
use crate::domain::{self, LIVE_MAX, Note};
use crate::store::{Obstacle, Outcome};

/// A new app.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateApp {
    /// Its name for people.
    name: Label,
    /// What it is.
    #[serde(default)]
    description: Option<Note>,
    /// The service of one's own organization that it is, by slug. Left out for a program that is no service.
    #[serde(default)]
    service: Option<Slug>,
}

/// A change of an app: what is left out stays.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeApp {
    /// Its name for people.
    #[serde(default)]
    name: Option<Label>,
    /// What it is; `null` takes the description away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Note>)]
    #[expect(clippy::option_option, reason = "absent and null differ")]
    description: Option<Option<Note>>,
    /// The service of one's own organization that it is, by slug; `null` says that it is none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Slug>)]
    #[expect(clippy::option_option, reason = "absent and null differ")]
    service: Option<Option<Slug>>,
}

/// Tells `null` from what is left out.
#[expect(clippy::option_option, reason = "absent and null differ")]
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// An app: whoever calls.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct App {
    /// Its id.
    id: AppId,
    /// Raised by every change.
    revision: u64,
    /// The organization that it belongs to.
    organization: Party,
    /// Its name for people.
    name: Label,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Note>,
    /// The service of its organization that it is, by slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Slug>,
    /// When it was made.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
}

impl From<domain::App> for App {
    fn from(app: domain::App) -> Self {
        let domain::App { id, revision, organization, name, description, service, created_at, updated_at } = app;
        Self { id, revision, organization, name, description, service, created_at, updated_at }
    }
}

fn present_app(app: &domain::App) -> Result<Reply, Problem> {
    Ok(Reply::ok(&App::from(app.clone()))?.revision(app.revision))
}

/// Whether one's own organization has a service of this slug: `catalog` is asked in the caller's name. A slug that nothing has
/// would stand in the graph of services as something that is not there.
async fn check_service(state: &State, context: &Context, service: Option<&Slug>) -> Result<(), Problem> {
    let Some(slug) = service else { return Ok(()) };
    match state.hops.of(context).get::<IgnoredAny>(&format!("/v1/catalog/services/{slug}")).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => {
            Err(Problem::not_found().field("/service", "names no service of your organization"))
        }
        Err(error) => Err(error.into_problem()),
    }
}

/// Makes an app.
#[utoipa::path(post, path = "/v1/subscriptions/apps", operation_id = "create_app", tag = "apps", security(("token" = ["subscriptions:write"])),
    params(IdempotencyKey),
    request_body = CreateApp,
    responses((status = 201, description = "The app.", body = App, headers(("ETag" = String), ("Location" = String)))))]
pub(super) async fn create(
    caller: Caller<needs::SubscriptionsWrite>,
    context: Context,
    idempotency: Option<Idempotency>,
    Extract(state): Extract<State>,
    Json(body): Json<CreateApp>,
) -> Result<Reply, Problem> {
    if let Some(reply) = state.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    check_service(&state, &context, body.service.as_ref()).await?;
    let now = context.now;
    let app = domain::App::new(caller.organization.clone(), body.name, body.description, body.service, now);
    let reply =
        Reply::created(&App::from(app.clone()), format!("/v1/subscriptions/apps/{}", app.id))?.revision(app.revision);
    match state.store.create_app(&app, idempotency.as_ref(), &reply, now).await? {
        Outcome::Done => Ok(reply),
        Outcome::Replay(reply) => Ok(reply),
        Outcome::Stale | Outcome::Against(_) => Err(Problem::unavailable("an app of this id exists")),
    }
}

/// Lists one's own apps, oldest first.
#[utoipa::path(get, path = "/v1/subscriptions/apps", operation_id = "list_apps", tag = "apps", security(("token" = ["subscriptions:read"])), params(PageQuery),
    responses((status = 200, description = "A page of apps.", body = Page<App>)))]
pub(super) async fn list(
    caller: Caller<needs::SubscriptionsRead>,
    Query(page): Query<PageQuery>,
    Extract(pages): Extract<Pages>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    let organization = caller.organization.id;
    let list = format!("apps/{organization}");
    let slice = state.store.apps(organization, &pages.open(&list, &page)?).await?;
    let items = slice.rows.into_iter().map(App::from).collect();
    Reply::ok(&pages.page(&list, items, slice.position)?)
}

/// Reads an app of one's own.
#[utoipa::path(get, path = "/v1/subscriptions/apps/{app}", operation_id = "get_app", tag = "apps", security(("token" = ["subscriptions:read"])),
    params(("app" = inline(AppId), Path, description = "The app's id.")),
    responses((status = 200, description = "The app.", body = App, headers(("ETag" = String)))))]
pub(super) async fn get(
    caller: Caller<needs::SubscriptionsRead>,
    Path(id): Path<AppId>,
    Extract(state): Extract<State>,
) -> Result<Reply, Problem> {
    let app = state.store.app(caller.organization.id, id).await?.ok_or_else(Problem::not_found)?;
    present_app(&app)
}

/// Changes an app's name, description or service.
#[utoipa::path(patch, path = "/v1/subscriptions/apps/{app}", operation_id = "change_app", tag = "apps", security(("token" = ["subscriptions:write"])),
    params(("app" = inline(AppId), Path, description = "The app's id."), ("If-Match" = String, Header, description = "The `ETag` of the app as it was read.")),
    request_body = ChangeApp,
    responses((status = 200, description = "The app as it is now.", body = App, headers(("ETag" = String)))))]
pub(super) async fn change(
    caller: Caller<needs::SubscriptionsWrite>,
    Path(id): Path<AppId>,
    IfMatch(revision): IfMatch,
    context: Context,
    Extract(state): Extract<State>,
    Json(body): Json<ChangeApp>,
) -> Result<Reply, Problem> {
    let outdated = || {
        Problem::new(Kind::PreconditionFailed, "The app was changed since you read it: read it again and decide anew.")
            .field("/header/if-match", "is not the app's `ETag`")
    };
    let app = state.store.app(caller.organization.id, id).await?.ok_or_else(Problem::not_found)?;
    if app.revision != revision {
        return Err(outdated());
    }
    let next = app.changed(body.name, body.description, body.service, context.now);
    if next.revision == revision {
        return present_app(&app);
    }
    if next.service != app.service {
        check_service(&state, &context, next.service.as_ref()).await?;
    }
    match state.store.change_app(&next, revision, context.now).await? {
        Outcome::Done => present_app(&next),
        Outcome::Replay(reply) => Ok(reply),
        Outcome::Stale | Outcome::Against(_) => Err(outdated()),
    }
}

/// Removes an app that has no live subscription.
#[utoipa::path(delete, path = "/v1/subscriptions/apps/{app}", operation_id = "delete_app", tag = "apps", security(("token" = ["subscriptions:write"])),
    params(("app" = inline(AppId), Path, description = "The app's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(super) async fn delete(
    caller: Caller<needs::SubscriptionsWrite>,
    Path(id): Path<AppId>,
    Now(now): Now,
    Extract(state): Extract<State>,
) -> Result<StatusCode, Problem> {
    for _ in 0..ATTEMPTS_MAX {
        let app = state.store.app(caller.organization.id, id).await?.ok_or_else(Problem::not_found)?;
        match state.store.delete_app(&app, now).await? {
            Outcome::Done | Outcome::Replay(_) => return Ok(StatusCode::NO_CONTENT),
            Outcome::Against(_) => return Err(obstacle(&Obstacle::InUse)),
            Outcome::Stale => step_aside().await,
        }
    }
    Err(Problem::unavailable("the app is being changed all the time"))
}

/// What stands against a change, as a problem.
pub(super) fn obstacle(obstacle: &Obstacle) -> Problem {
    match obstacle {
        Obstacle::Gone => app_not_found(),
        Obstacle::Full => Problem::state(format!(
            "The app has {LIVE_MAX} subscriptions that are not cancelled, and may have no more: cancel some, or use another app."
        )),
        Obstacle::InUse => Problem::state("The app has subscriptions that are not cancelled: cancel them first."),
    }
}

/// A body names an app that one does not have.
pub(super) fn app_not_found() -> Problem {
    Problem::not_found().field("/app", "names no app of your organization")
}
