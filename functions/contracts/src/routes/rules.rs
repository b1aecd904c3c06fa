//! `/v1/contracts/rules`: the rules and their pages, for anyone.

use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use shared::chassis::extract::Path;
use shared::chassis::reply::Reply;
use shared::chassis::sent::quality;
use shared::problem::Problem;
use utoipa::ToSchema;

use crate::finding::Severity;
use crate::pages;
use crate::rules::{self, Rule};

/// A rule.
#[derive(Serialize, ToSchema)]
struct RuleLine {
    /// Its name, stable.
    id: &'static str,
    /// What it says of a change, unless a format's own table says otherwise.
    severity: Severity,
    /// What it is about, in one line.
    title: &'static str,
}

/// All rules.
#[derive(Serialize, ToSchema)]
struct RuleList {
    /// In the order in which they are documented.
    items: Vec<RuleLine>,
}

/// A rule and its page.
#[derive(Serialize, ToSchema)]
struct RulePage {
    /// Its name, stable.
    id: &'static str,
    /// What it says of a change, unless a format's own table says otherwise.
    severity: Severity,
    /// What it is about, in one line.
    title: &'static str,
    /// The page: what the rule means, why it is so severe, an example, what to do, and what it does not mean.
    markdown: &'static str,
}

fn line(rule: &Rule) -> RuleLine {
    RuleLine { id: rule.id, severity: rule.severity, title: rule.title }
}

/// Lists the rules. Anyone may read them.
#[utoipa::path(get, path = "/v1/contracts/rules", operation_id = "list_rules", tag = "rules", security(()),
    responses((status = 200, description = "All rules: some hundred, on one page.", body = RuleList)))]
pub(super) async fn list_rules() -> Result<Reply, Problem> {
    Reply::ok(&RuleList { items: rules::ALL.iter().map(|rule| line(rule)).collect() })
}

/// Shows a rule with its page, as JSON or, to who accepts `text/markdown`, the page alone. Anyone may read it.
#[utoipa::path(get, path = "/v1/contracts/rules/{rule}", operation_id = "get_rule", tag = "rules", security(()),
    params(("rule" = String, Path, description = "The rule's name, as findings have it.", max_length = 100)),
    responses((status = 200, description = "The rule.", content((RulePage = "application/json"), (String = "text/markdown")))))]
pub(super) async fn get_rule(Path(rule): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let known = rules::ALL.iter().find(|known| known.id == rule);
    let (Some(rule), Some(markdown)) = (known, pages::page(&rule)) else { return Err(Problem::not_found()) };
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if quality(accept, "text/markdown") > quality(accept, "application/json") {
        let mut response = markdown.into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8"));
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        return Ok(response);
    }
    let RuleLine { id, severity, title } = line(rule);
    Ok(Reply::ok(&RulePage { id, severity, title, markdown })?.into_response())
}
