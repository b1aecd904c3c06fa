//! `/v1/contracts/checks`: whom a proposed document would break.

use axum::extract::State;
use axum::response::Response;
use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Path, Query, body};
use shared::chassis::gzip;
use shared::chassis::reply::Reply;
use shared::chassis::sent::sent;
use shared::event::CheckPhase;
use shared::id::{Api, CheckId, VersionId};
use shared::page::{Page, PageQuery};
use shared::principal::needs;
use shared::problem::{Kind, Problem};
use shared::slug::Name;
use shared::time::Time;
use shared::window::Window;
use utoipa::{IntoParams, ToSchema};

use super::asks::{Asks, Proposed};
use crate::AppState;
use crate::checks::{CheckReport, CheckVerdict};
use crate::policy::FailOn;
use crate::proposal::check;
use crate::report::{Form, Report, Scene};
use crate::store::CheckRow;

/// An alias, because a document's schema is made of names without parameters.
type NameOfApi = Name<Api>;

/// What is checked, and how.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckQuery {
    /// An API of one's own organization, by slug or id.
    #[param(inline)]
    api: NameOfApi,
    /// What the proposed version is going to be called: letters, digits, `.` and `-`.
    #[param(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z][0-9A-Za-z.-]{0,63}$")]
    version: String,
    /// How far back callers are looked for: so many hours (`1h` to `999h`) or days (`1d` to `90d`); the policy's when left out, `30d` where it says nothing.
    #[param(value_type = Option<String>, pattern = r"^([1-9][0-9]{0,2}h|([1-9]|[1-8][0-9]|90)d)$")]
    window: Option<Window>,
    /// From where on it fails: `affecting`, `breaking`, `dangerous`, or `none`; the policy's when left out, `affecting` where it says nothing.
    #[param(inline)]
    fail_on: Option<FailOn>,
    /// The document's format, where it is not to be found out: `openapi`, `graphql` or `protobuf`.
    #[param(max_length = 40, pattern = "^[A-Za-z0-9-]+$")]
    format: Option<String>,
    /// The document's file name, where its ending says how it is written.
    #[param(max_length = 255)]
    filename: Option<String>,
    /// In an archive, the path of the file that the version is about, where that is not to be found out.
    #[param(max_length = 500)]
    root: Option<String>,
    /// Whether `text/plain` has colours, for a terminal.
    #[serde(default)]
    color: bool,
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    Form::accepted(headers.get(ACCEPT).and_then(|value| value.to_str().ok())).ok_or_else(|| {
        let detail = format!("Nothing of what you accept can be made: send `Accept` with one of {}.", Form::names());
        Problem::new(Kind::NotAcceptable, detail).field("/header/accept", "must name a form that can be made")
    })
}

/// A version's name is one that the catalog takes.
fn label(name: &str) -> Result<&str, Problem> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if begins && name.len() <= 64 && name.bytes().all(fits) {
        return Ok(name);
    }
    Err(Problem::parameter(
        "version",
        "must have 1 to 64 letters, digits, `.` or `-`, and begin with a letter or a digit",
    ))
}

/// Checks a proposed document, which is the body as it is or packed, against the published version: whom would it break?
///
/// Each finding is joined with who called the operations that it reaches, over all versions of the API. 200 with the report when the check passes, 409
/// with the same report when it does not, so that `curl --fail-with-body` is a gate. Forms as for comparisons. The token needs `catalog:read` and
/// `usage:read` beside `contracts:write`: both are asked in its name.
#[utoipa::path(post, path = "/v1/contracts/checks", operation_id = "check_document", tag = "checks", security(("token" = ["contracts:write"])),
    params(CheckQuery),
    request_body(description = "The proposed document, as the catalog takes it: at most 4 MB as sent, packed with gzip for more.",
        content((String = "application/json"), (String = "application/yaml"), (String = "application/gzip"), (String = "application/zip"), (String = "text/plain"), (String = "application/octet-stream"))),
    responses((status = 200, description = "It passes.", content((CheckReport = "application/json"), (String = "text/plain"), (String = "text/markdown"),
            (String = "application/sarif+json"), (String = "application/junit+xml"), (String = "application/xml"), (String = "text/vnd.github.annotations"), (String = "application/gzip"))),
        (status = 409, description = "It does not pass: the same report.", content((CheckReport = "application/json"), (String = "text/plain"), (String = "text/markdown"),
            (String = "application/sarif+json"), (String = "application/junit+xml"), (String = "application/xml"), (String = "text/vnd.github.annotations"), (String = "application/gzip")))))]
pub(super) async fn check_document(
    caller: Caller<needs::ContractsWrite>,
    context: Context,
    State(app): State<AppState>,
    Query(query): Query<CheckQuery>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let form = form(&headers)?;
    label(&query.version)?;
    let body = body(request).await?;
    let asks = Asks::of(app.hops.of(&context));
    let proposed = Proposed {
        headers: &headers,
        body,
        format: query.format.as_deref(),
        filename: query.filename.as_deref(),
        root: query.root.as_deref(),
    };
    let asked = crate::proposal::Asked {
        version: query.version.clone(),
        window: query.window,
        fail_on: query.fail_on,
        by: caller.actor.clone(),
        now: context.now,
    };
    let api = asks.api(&query.api.to_string()).await?;
    let (report, scene) = check(&app.store, &asks, &context.base_url, api, proposed, asked).await?;
    present(&report, &scene, form, query.color, &headers)
}

fn present(
    report: &CheckReport,
    scene: &Scene,
    form: Form,
    color: bool,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let bytes = if form == Form::Json {
        serde_json::to_vec(report).map_err(Problem::internal)?
    } else {
        form.write(&Report::of_check(report, form), scene, color).map_err(Problem::internal)?
    };
    let mut response = sent("report", form.content_type(), bytes, gzip::pack, headers)?.0;
    if !report.passed {
        *response.status_mut() = StatusCode::CONFLICT;
    }
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/contracts/checks/{}", report.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// A check in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Check)]
struct CheckView {
    /// Its id.
    id: CheckId,
    /// What the proposed version is called.
    version: String,
    /// The published version's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    base_version: Option<String>,
    /// The published version that it was compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<VersionId>,
    /// SHA-256 of the document's bytes, in hexadecimal.
    document_sha256: String,
    /// `passed`: the document may be published; `failed`; `pending`: it is being made, or was broken off.
    state: CheckPhase,
    /// What it says; absent while it is pending, and of a check that was broken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<CheckVerdict>,
    /// Until when it holds, where it passed because of approvals that end.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Time>,
    /// When it was made.
    created_at: Time,
    /// The id of the token or the member that asked for it.
    by: String,
}

impl From<CheckRow> for CheckView {
    fn from(row: CheckRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            base_version: row.base_version,
            base: row.base,
            document_sha256: row.document_sha256,
            state: row.state,
            verdict: row.verdict,
            valid_until: row.valid_until,
            created_at: row.created_at,
            by: row.by,
        }
    }
}

/// Of which API.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ChecksQuery {
    /// An API of one's own organization, by slug or id.
    #[param(inline)]
    api: NameOfApi,
    /// At most so many checks, 1 to 200; 50 when left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    page_token: Option<String>,
}

/// Lists the checks of an API, newest first.
#[utoipa::path(get, path = "/v1/contracts/checks", operation_id = "list_checks", tag = "checks", security(("token" = ["contracts:read"])),
    params(ChecksQuery), responses((status = 200, description = "A page of checks.", body = Page<CheckView>)))]
pub(super) async fn list_checks(
    _caller: Caller<needs::ContractsRead>,
    context: Context,
    State(app): State<AppState>,
    Query(query): Query<ChecksQuery>,
) -> Result<Reply, Problem> {
    let api = Asks::of(app.hops.of(&context)).api(&query.api.to_string()).await?;
    let list = format!("checks/{}", api.id);
    let page = app.pages.open(&list, &PageQuery { page_size: query.page_size, page_token: query.page_token })?;
    let slice = app.store.checks(api.id, &page).await?;
    let items: Vec<CheckView> = slice.rows.into_iter().map(CheckView::from).collect();
    Reply::ok(&app.pages.page(&list, items, slice.position)?)
}

/// How a report is shown.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    /// Whether `text/plain` has colours, for a terminal.
    #[serde(default)]
    color: bool,
}

/// Shows the report of a check, in any of its forms. The provider sees all callers; an organization that was told of the change sees what concerns its
/// own calls, and itself alone as the caller.
#[utoipa::path(get, path = "/v1/contracts/checks/{check}", operation_id = "get_check", tag = "checks", security(("token" = ["contracts:read"])),
    params(("check" = inline(CheckId), Path, description = "The check's id."), ReportQuery),
    responses((status = 200, description = "The report.", content((CheckReport = "application/json"), (String = "text/plain"), (String = "text/markdown"),
        (String = "application/sarif+json"), (String = "application/junit+xml"), (String = "application/xml"), (String = "text/vnd.github.annotations"), (String = "application/gzip")))))]
pub(super) async fn get_check(
    caller: Caller<needs::ContractsRead>,
    context: Context,
    State(app): State<AppState>,
    Path(id): Path<CheckId>,
    Query(query): Query<ReportQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let own = caller.organization.id;
    let row = app.store.check(id).await?.ok_or_else(Problem::not_found)?;
    let is_provider = row.organization.id == own;
    if !is_provider && !app.store.may_see(id, own).await? {
        return Err(Problem::not_found());
    }
    let form = form(&headers)?;
    if row.state == CheckPhase::Pending {
        let detail = "The check is being made, or was broken off: try again in a moment, or make it again.";
        return Err(Problem::new(Kind::CheckPending, detail).retry_after_s(1));
    }
    if row.chunks.0 == 0 {
        return Err(Problem::state("The check was broken off before it came to anything: check again."));
    }
    let mut report: CheckReport = serde_json::from_slice(&app.store.report(&row).await?).map_err(Problem::internal)?;
    if !is_provider {
        report = match app.store.traffic(&row).await? {
            Some(traffic) => report.as_seen_by(own, &traffic),
            None => return Err(Problem::not_found()),
        };
    }
    let scene = Scene { file: String::new(), base_url: context.base_url };
    let mut response = present(&report, &scene, form, query.color, &headers)?;
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}
