//! The HTTP API: parse, ask the catalog, compare, present.

mod asked;
mod comparisons;
mod read;
mod rules;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// All routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(comparisons::compare_documents))
        .routes(routes!(rules::list_rules))
        .routes(routes!(rules::get_rule))
}
