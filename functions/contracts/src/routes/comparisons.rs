//! `/v1/contracts/comparisons`: compares two documents and keeps nothing.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::ACCEPT;
use serde::Deserialize;
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Query, body};
use shared::chassis::gzip;
use shared::chassis::sent::sent;
use shared::principal::needs;
use shared::problem::{Kind, Problem};
use shared::surface::Format;
use utoipa::IntoParams;

use super::asked::{Asked, asked};
use super::asks::{Asks, Read};
use super::read::{both, read};
use crate::AppState;
use crate::compare::{Settings, compare};
use crate::report::{Form, Report, Scene, Warnings};

/// How the answer is shown.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ComparisonQuery {
    /// Whether `text/plain` has colours, for a terminal.
    #[serde(default)]
    color: bool,
}

/// Compares two documents by what their callers can observe. Nothing is kept, and the same documents always give the same answer, to the byte.
///
/// The answer comes as JSON, as `text/plain` for people, as `text/markdown` for a pull request, as SARIF 2.1.0 (`application/sarif+json`), as `JUnit`'s XML
/// (`application/junit+xml`, `application/xml`), or as annotations of GitHub Actions (`text/vnd.github.annotations`). A large question comes packed with
/// gzip, as `application/gzip`.
#[utoipa::path(post, path = "/v1/contracts/comparisons", operation_id = "compare_documents", tag = "comparisons", security(("token" = ["catalog:read"])),
    params(ComparisonQuery),
    request_body(description = "The two documents, as JSON or as gzip of that.", content((Asked = "application/json"), (String = "application/gzip"))),
    responses((status = 200, description = "The comparison.", content((Report = "application/json"), (String = "text/plain"), (String = "text/markdown"),
        (String = "application/sarif+json"), (String = "application/junit+xml"), (String = "application/xml"), (String = "text/vnd.github.annotations"), (String = "application/gzip")))))]
pub(super) async fn compare_documents(
    _caller: Caller<needs::CatalogRead>,
    context: Context,
    State(app): State<AppState>,
    Query(query): Query<ComparisonQuery>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let form = Form::accepted(headers.get(ACCEPT).and_then(|value| value.to_str().ok())).ok_or_else(|| {
        let detail = format!("Nothing of what you accept can be made: send `Accept` with one of {}.", Form::names());
        Problem::new(Kind::NotAcceptable, detail).field("/header/accept", "must name a form that can be made")
    })?;
    let asked = {
        let body = body(request).await?;
        asked(&headers, &body)?
    };
    let asks = Asks::of(app.hops.of(&context));
    let format = asked.format.as_deref();
    let (before, after) =
        tokio::join!(read(&asks, "before", &asked.before, format), read(&asks, "after", &asked.after, format));
    let (before, after) = both(before, after)?;
    let settings = Settings { level: asked.level };
    drop(asked);
    let scene = Scene::of(&before.surface, &after.surface, &context.base_url);
    let report = compared(before, after, settings)?;
    let bytes = form.write(&report, &scene, query.color).map_err(Problem::internal)?;
    Ok(sent("comparison", form.content_type(), bytes, gzip::pack, &headers)?.0)
}

/// The comparison of two documents of one family.
fn compared(before: Read, after: Read, settings: Settings) -> Result<Report, Problem> {
    let families = (before.surface.format, after.surface.format);
    if families.0 != families.1 {
        let detail =
            format!("is {}, and `/before` is {}: send two documents of one format", name(families.1), name(families.0));
        return Err(Problem::invalid("/after", detail));
    }
    let comparison = compare(&before.surface, &after.surface, settings);
    Ok(Report::of(comparison, Warnings { before: before.warnings, after: after.warnings }))
}

/// A format, as people call it.
pub(crate) fn name(format: Format) -> &'static str {
    match format {
        Format::OpenApi => "OpenAPI",
        Format::GraphQl => "GraphQL",
        Format::Protobuf => "Protocol Buffers",
        Format::AsyncApi => "AsyncAPI",
        Format::Raml => "RAML",
        Format::Wsdl => "WSDL",
    }
}
