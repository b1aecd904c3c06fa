//! The HTTP API: parse, authorize, one call of the store, present.

mod apis;
mod graph;
mod imports;
mod public;
mod search;
mod services;
mod surfaces;
mod versions;
mod views;

use serde::{Deserialize, Deserializer};
use shared::chassis::reply::Reply;
use shared::chassis::{Context, door};
use shared::event::Envelope;
use shared::problem::Problem;
use shared::slug::Slug;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::domain::{Api, VersionName};
use crate::events::{api_state, routes_states};

// Aliases, because utoipa takes the parameter of a generic type for a part of its schema.
type OrganizationName = shared::slug::Name<shared::id::Organization>;
type ApiName = shared::slug::Name<shared::id::Api>;
type ServiceName = shared::slug::Name<shared::id::Service>;

/// What stands in parameters only: utoipa does not gather that by itself.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(OrganizationName, ApiName, ServiceName, Slug, VersionName)))]
struct Schemas;

/// Every route, once for the router and the document.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(<Schemas as utoipa::OpenApi>::openapi())
        .routes(routes!(services::create_service, services::list_services))
        .routes(routes!(services::get_service, services::update_service, services::delete_service))
        .routes(routes!(graph::get_graph))
        .routes(routes!(apis::create_api, apis::list_apis))
        .routes(routes!(apis::get_api, apis::update_api))
        .routes(routes!(versions::upload_version, versions::list_versions))
        .routes(routes!(versions::get_version))
        .routes(routes!(versions::get_document))
        .routes(routes!(versions::get_surface))
        .routes(routes!(surfaces::read_surface))
        .routes(routes!(versions::list_operations))
        .routes(routes!(versions::publish_version))
        .routes(routes!(versions::deprecate_version))
        .routes(routes!(versions::retire_version))
        .routes(routes!(imports::import_backstage))
        .routes(routes!(search::search))
        .routes(routes!(search::list_documents))
        .routes(routes!(public::list_public_apis))
        .routes(routes!(public::get_public_api))
        .routes(routes!(public::list_public_versions))
        .routes(routes!(public::get_public_version))
        .routes(routes!(public::get_public_document))
        .routes(routes!(public::list_public_operations))
}

/// Bytes of one statement to the door: its own function reads 6 MB.
const STATEMENT_BYTES_MAX: usize = 1_000_000;

/// Tells the door what holds from now on: the API, after the routes of its current version.
async fn tell_door(app: &AppState, context: &Context, api: &Api) -> Result<(), Problem> {
    let mut envelopes = Vec::new();
    if let Some(current) = &api.current
        && let Some(version) = app.store.version(api.id, &VersionName::Id(current.id)).await?
    {
        let operations = app.store.all_operations(version.id).await?;
        for routes in routes_states(api, &version, &operations) {
            envelopes.push(Envelope::of(&routes).map_err(Problem::internal)?);
        }
    }
    envelopes.push(Envelope::of(&api_state(api)).map_err(Problem::internal)?);
    let hop = app.hops.of(context);
    let mut statement: Vec<Envelope> = Vec::new();
    for envelope in envelopes {
        let size: usize = statement.iter().map(|envelope| envelope.data.len()).sum();
        if size + envelope.data.len() > STATEMENT_BYTES_MAX && !statement.is_empty() {
            door::tell(&hop, &app.door, &std::mem::take(&mut statement)).await?;
        }
        statement.push(envelope);
    }
    door::tell(&hop, &app.door, &statement).await
}

/// A field of a change: left out, `null`, or a value.
#[derive(Clone, Debug, Default)]
enum Field<T> {
    #[default]
    Absent,
    Null,
    Value(T),
}

impl<T> Field<T> {
    fn apply(self, to: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *to = None,
            Self::Value(value) => *to = Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

/// An answer of something that has an `ETag`.
fn revised<T: serde::Serialize>(body: &T, revision: u64) -> Result<Reply, Problem> {
    Ok(Reply::ok(body)?.revision(revision))
}
