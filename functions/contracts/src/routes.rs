//! The HTTP API: parse, ask the catalog, compare, present.

mod asked;
pub(crate) mod asks;
mod checks;
mod comparisons;
mod notices;
mod policies;
mod read;
mod rules;

pub(crate) use comparisons::name;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// All routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(comparisons::compare_documents))
        .routes(routes!(checks::check_document, checks::list_checks))
        .routes(routes!(checks::get_check))
        .routes(routes!(policies::get_policy, policies::set_policy))
        .routes(routes!(policies::approve_finding, policies::list_approvals))
        .routes(routes!(policies::withdraw_approval))
        .routes(routes!(notices::list_notices))
        .routes(routes!(notices::get_sunsets))
        .routes(routes!(rules::list_rules))
        .routes(routes!(rules::get_rule))
}
