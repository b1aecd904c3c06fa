//! What the catalog tells: the public states of its resources. It reacts to no one.

use crate::domain::Operation;
use shared::event::{ApiState, Route, RoutesState, ServiceState, VersionState};

use crate::domain::{Api, Service, Version, routes};

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
