//! What the catalog tells: the public states of its resources. What it follows: the checks of documents and the policies of APIs, which
//! `contracts` tells.

use shared::chassis::EventError;
use shared::event::{
    ApiState, CheckState, Envelope, PolicyState, Route, RoutesState, ServiceState, State, VersionState,
};

use crate::domain::Operation;
use crate::domain::{Api, Service, Version, routes};
use crate::store::Store;

/// Keeps what was told. Neither order nor repetition matters.
pub(crate) async fn on_event(store: &Store, envelope: &Envelope) -> Result<(), EventError> {
    match envelope.kind.as_str() {
        // Neither is ever gone: a tombstone says nothing.
        CheckState::TYPE => {
            if let Some(check) = envelope.state::<CheckState>()? {
                if check.document_sha256.len() != 64 || !check.document_sha256.bytes().all(is_digit) {
                    return Err(EventError::NotUnderstood(format!("the digest of {}", check.id)));
                }
                store.keep_check(&check).await?;
            }
        }
        PolicyState::TYPE => {
            if let Some(policy) = envelope.state::<PolicyState>()? {
                store.keep_policy(&policy).await?;
            }
        }
        kind => return Err(EventError::NotUnderstood(format!("the event type `{kind}`"))),
    }
    Ok(())
}

/// A hexadecimal digit as digests are written here.
fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

pub(crate) fn service_state(service: &Service) -> ServiceState {
    ServiceState {
        id: service.id,
        revision: service.revision,
        organization: service.organization.clone(),
        slug: service.slug.clone(),
        name: service.name.to_string(),
    }
}

/// The event state of an API.
#[must_use]
pub fn api_state(api: &Api) -> ApiState {
    ApiState {
        id: api.id,
        revision: api.revision,
        organization: api.organization.clone(),
        slug: api.slug.clone(),
        number: api.number,
        name: api.name.to_string(),
        visibility: api.visibility,
        upstream_url: api.upstream_url.as_ref().map(ToString::to_string),
        current: api.current.clone(),
        cors_origins: api.cors.iter().flat_map(|cors| &cors.origins).map(ToString::to_string).collect(),
    }
}

/// The event state of a version.
#[must_use]
pub fn version_state(version: &Version) -> VersionState {
    VersionState {
        id: version.id,
        revision: version.revision,
        api: version.api,
        version: version.version.to_string(),
        number: version.number,
        state: version.state,
        format: version.format.clone(),
        format_version: version.format_version.clone(),
        document_sha256: version.document_sha256.clone(),
        operations: version.operations,
        published_at: version.published_at,
        deprecated_at: version.deprecated_at,
        sunset_at: version.sunset_at,
        retired_at: version.retired_at,
    }
}

/// The routes of a version, in parts that fit an event.
#[must_use]
pub fn routes_states(api: &Api, version: &Version, operations: &[Operation]) -> Vec<RoutesState> {
    let parts: Vec<Vec<Route>> = routes::parts(operations);
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    (0..)
        .zip(parts)
        .map(|(part, routes)| RoutesState {
            id: format!("{}.{part}", version.id),
            revision: 1,
            api: api.id,
            organization: api.organization.id,
            api_number: api.number,
            version: version.id,
            version_number: version.number,
            part,
            parts: count,
            routes,
        })
        .collect()
}
