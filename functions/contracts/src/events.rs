//! What contracts follows: APIs, versions, routes and subscriptions; and whom it tells what becomes of them.
//!
//! What is told depends on two states, the API's and its current version's, which may come in any order: whichever comes second tells. A notice is written
//! under a name of its own, so that telling again tells nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use shared::chassis::EventError;
use shared::chassis::at_once::at_once;
use shared::event::{
    ApiName, ApiState, Envelope, NoticeKind, NoticeState, RoutesState, State, SubscriptionState, VersionPhase,
};
use shared::id::{ApiId, CheckId, NoticeId, OrganizationId, SubscriptionId};
use shared::time::Time;

use crate::checks::{CheckReport, concerns_callers};
use crate::store::{AT_ONCE, Notice, Store, Version};
use crate::traffic::Lookup;

/// Keeps what was told, and tells who is concerned.
pub(crate) async fn on_event(store: &Store, envelope: &Envelope, sent_at: Time) -> Result<(), EventError> {
    let api = match envelope.kind.as_str() {
        ApiState::TYPE => match envelope.state::<ApiState>()? {
            Some(state) => {
                store.keep_api(&state).await?;
                state.id
            }
            None => return Ok(()),
        },
        shared::event::VersionState::TYPE => match envelope.state::<Version>()? {
            Some(state) => {
                store.keep_version(&state).await?;
                if state.state == VersionPhase::Retired {
                    ended(store, &state, sent_at).await?;
                }
                state.api
            }
            None => return Ok(()),
        },
        RoutesState::TYPE => match envelope.state::<RoutesState>()? {
            Some(state) => return Ok(store.keep_routes(state).await?),
            None => return Ok(()),
        },
        SubscriptionState::TYPE => match envelope.state::<SubscriptionState>()? {
            Some(state) => return Ok(store.keep_subscription(&state).await?),
            None => return Ok(()),
        },
        other => return Err(EventError::NotUnderstood(format!("the event type `{other}`"))),
    };
    announce(store, api, sent_at).await
}

/// Tells what is new of an API's current version.
async fn announce(store: &Store, api: ApiId, now: Time) -> Result<(), EventError> {
    let Some(api) = store.api(api).await? else { return Ok(()) };
    let Some(current) = &api.current else { return Ok(()) };
    let Some(version) = store.version(api.id, current.id).await? else { return Ok(()) };
    if let Some(published_at) = version.published_at {
        changed(store, &api, &version, published_at, now).await?;
    }
    if let (VersionPhase::Deprecated, Some(deprecated_at)) = (version.state, version.deprecated_at) {
        let until = version.sunset_at.map_or(0, Time::ms);
        let what = format!("deprecation#{}#{until}", version.id);
        all(store, (&api, &version), NoticeKind::Deprecation, (&what, deprecated_at), now).await?;
    }
    Ok(())
}

/// Tells that a deprecated version has ended, if it was the current one: the door served no other, so nobody called what another offered.
async fn ended(store: &Store, version: &Version, now: Time) -> Result<(), EventError> {
    let (Some(_), Some(retired_at)) = (version.deprecated_at, version.retired_at) else { return Ok(()) };
    let Some(api) = store.api(version.api).await? else {
        // The API was made before its versions: its event is under way.
        return Err(EventError::Unavailable(format!("{} is not known yet", version.api)));
    };
    if let Some(current) = &api.current
        && store.version(api.id, current.id).await?.is_none()
    {
        // It may have taken the place of this one before the end: its event is under way.
        return Err(EventError::Unavailable(format!("{} is not known yet", current.id)));
    }
    if store.had_successor(version, retired_at).await? {
        return Ok(());
    }
    let what = format!("sunset#{}", version.id);
    all(store, (&api, version), NoticeKind::Sunset, (&what, retired_at), now).await
}

/// Tells every subscription of an API.
async fn all(
    store: &Store,
    (api, version): (&ApiState, &Version),
    kind: NoticeKind,
    (what, at): (&str, Time),
    now: Time,
) -> Result<(), EventError> {
    if store.was_announced(api.id, what).await? {
        return Ok(());
    }
    let subscribers = store.subscribers(api.id).await?;
    let whom = subscribers.into_iter().map(|subscriber| (subscriber.subscription, subscriber.organization.id));
    tell(
        store,
        whom.collect(),
        |subscription, organization| notice(api, version, kind, (subscription, organization), None, at),
        now,
    )
    .await?;
    Ok(store.announced(api.id, what, at).await?)
}

/// Tells those whose calls a published version changes, as the check with which it was published found them.
async fn changed(
    store: &Store,
    api: &ApiState,
    version: &Version,
    published_at: Time,
    now: Time,
) -> Result<(), EventError> {
    let what = format!("change#{}#{}", version.id, published_at.ms());
    if store.was_announced(api.id, &what).await? {
        return Ok(());
    }
    if let Some(check) = store.check_of(api.id, version.id, &version.document_sha256, published_at).await? {
        let unreadable = |error: serde_json::Error| EventError::NotUnderstood(error.to_string());
        let report: CheckReport = serde_json::from_slice(&store.report(&check).await?).map_err(unreadable)?;
        if let Some(traffic) = store.traffic(&check).await? {
            let reached = reached(&report);
            let mut whom: BTreeMap<SubscriptionId, OrganizationId> = BTreeMap::new();
            for (caller, ..) in Lookup::new(&traffic, None).callers(reached.iter().map(String::as_str)) {
                whom.insert(caller.subscription, caller.organization.id);
            }
            let make = |subscription, organization| {
                notice(api, version, NoticeKind::Change, (subscription, organization), Some(check.id), published_at)
            };
            tell(store, whom, make, now).await?;
        }
    }
    Ok(store.announced(api.id, &what, published_at).await?)
}

/// The published operations that the findings of a report concern.
fn reached(report: &CheckReport) -> BTreeSet<String> {
    let findings = report.findings.iter().filter(|finding| concerns_callers(&finding.rule, finding.severity));
    findings.flat_map(|finding| finding.reached.iter().cloned()).collect()
}

fn notice(
    api: &ApiState,
    version: &Version,
    kind: NoticeKind,
    (subscription, organization): (SubscriptionId, OrganizationId),
    check: Option<CheckId>,
    at: Time,
) -> Notice {
    Notice {
        state: NoticeState {
            id: NoticeId::new(),
            revision: 1,
            organization,
            provider: api.organization.clone(),
            subscription,
            api: ApiName { id: api.id, slug: api.slug.clone() },
            version: version.version.clone(),
            kind,
            sunset_at: if kind == NoticeKind::Change { None } else { version.sunset_at },
            check,
            created_at: at,
        },
        version_id: version.id,
    }
}

async fn tell(
    store: &Store,
    whom: BTreeMap<SubscriptionId, OrganizationId>,
    make: impl Fn(SubscriptionId, OrganizationId) -> Notice,
    now: Time,
) -> Result<(), EventError> {
    let notices = whom.into_iter().map(|(subscription, organization)| {
        let (store, notice) = (store.clone(), make(subscription, organization));
        async move { store.notify(&notice, now).await }
    });
    at_once(AT_ONCE, notices).await?;
    Ok(())
}
