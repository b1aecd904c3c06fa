//! The catalog, as far as `contracts` can see: it makes a surface without operations of whatever it is sent, unless the text tells it what to do.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use shared::chassis::gzip;
use shared::problem::{Kind, Problem};
use shared::surface::{Builder, Format};

/// What it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) query: String,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) bearer: String,
}

/// What it was asked, and whether it is there at all.
#[derive(Clone, Default)]
pub(crate) struct Catalog {
    asked: Arc<Mutex<Vec<Asked>>>,
    away: Arc<AtomicBool>,
}

impl Catalog {
    /// It cannot be reached.
    pub(crate) fn goes_away(&self) {
        self.away.store(true, Ordering::SeqCst);
    }

    /// What it was asked since it was last looked at, in the order of the queries.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort_by(|left, right| left.files.cmp(&right.files));
        asked
    }

    pub(crate) fn router(&self) -> axum::Router {
        let catalog = self.clone();
        let answer = move |RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes| async move {
            catalog.answer(query.unwrap_or_default(), &headers, &body)
        };
        axum::Router::new().route("/v1/catalog/surfaces", post(answer)).layer(DefaultBodyLimit::max(6_000_000))
    }

    fn answer(&self, query: String, headers: &HeaderMap, body: &[u8]) -> Response {
        if self.away.load(Ordering::SeqCst) {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!((header("content-type"), header("accept-encoding")), ("application/gzip".into(), "gzip".into()));
        let files = files(&gzip::unpack(body, 64 * 1024 * 1024).unwrap());
        let (path, text) =
            files.iter().find(|(_, text)| !text.is_empty()).map(|(path, text)| (path.clone(), text.clone())).unwrap();
        self.asked.lock().unwrap().push(Asked { query, files, bearer: header("authorization") });
        match text.as_str() {
            "broken" => {
                let mut problem =
                    Problem::new(Kind::DocumentInvalid, format!("{path}, line 3, column 1: this is broken"));
                problem = problem.field("/paths", "this is broken");
                problem.errors[0].line = Some(3);
                refusal(problem)
            }
            "swollen" => refusal(Problem::new(Kind::TooLarge, "The document is too large.").field("", "is too large")),
            "unknown" => refusal(Problem::new(Kind::FormatUnknown, "This is not read.").field("", "is not read")),
            "forbidden" => refusal(Problem::new(Kind::Forbidden, "This needs the permission `catalog:read`.")),
            "damaged" => "{".into_response(),
            text => surface(&path, text),
        }
    }
}

fn refusal(problem: Problem) -> Response {
    let response = problem.response(None);
    (response.status(), response.into_body()).into_response()
}

fn surface(path: &str, text: &str) -> Response {
    let mut builder = Builder::new(if text.contains("graphql") { Format::GraphQl } else { Format::OpenApi });
    builder.file(path);
    let packed = builder.finish().pack();
    let warnings = if text.contains("warn") {
        json!([{"code": "dangling-ref", "message": "It leads nowhere.", "line": 7, "pointer": "/paths"}])
    } else {
        json!([])
    };
    let mut bytes = format!("{{\"warnings\":{warnings},\"document_sha256\":\"\",\"root\":\"\",").into_bytes();
    bytes.extend_from_slice(&packed[1..]);
    let mut response = gzip::pack(&bytes).unwrap().into_response();
    response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    response
}

/// One text, or a tar of several.
fn files(bytes: &[u8]) -> BTreeMap<String, String> {
    if bytes.get(257..262) != Some(b"ustar") {
        return BTreeMap::from([("pets.yaml".to_owned(), String::from_utf8(bytes.to_vec()).unwrap())]);
    }
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let (mut entry, mut text) = (entry.unwrap(), String::new());
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), text)
    });
    entries.collect()
}
