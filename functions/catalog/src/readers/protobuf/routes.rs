//! The routes by which the door knows a method.

use shared::event::Route;
use shared::surface::{OperationKind, Surface};

/// The routes of a surface's methods: gRPC's own, `POST /pkg.Service/Method`, and those of the bindings. All routes of a method have its number.
///
/// A binding with `**` has no route: it takes any number of segments, and a route of the door has so many as it has.
#[must_use]
pub fn routes(surface: &Surface) -> Vec<Route> {
    let mut routes = Vec::new();
    for (n, operation) in (0..).zip(&surface.operations) {
        let OperationKind::Rpc { .. } = operation.kind else { continue };
        let mut add = |method: &str, path: String| {
            let (method, operation_id) = (method.to_owned(), operation.id.to_string());
            routes.push(Route { n, method, path, operation: operation_id, deprecated: operation.deprecated });
        };
        add("POST", format!("/{}", operation.id));
        for binding in &operation.http {
            if let Some(path) = template(&binding.path) {
                add(&binding.method, path);
            }
        }
    }
    routes
}

/// A path of `google.api.http` as one with a parameter in each segment that varies: `/v1/{name=shelves/*/books/*}:read` becomes
/// `/v1/shelves/{name}/books/{name.2}:read`.
fn template(path: &str) -> Option<String> {
    let mut template = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (variable, behind) = after.split_once('}')?;
        let (name, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        literal(before, "", &mut template)?;
        literal(pattern, name, &mut template)?;
        rest = behind;
    }
    literal(rest, "", &mut template)?;
    Some(template)
}

/// Segments outside braces, or the pattern of a variable; nothing where there is a `**`.
fn literal(text: &str, name: &str, template: &mut String) -> Option<()> {
    let mut count = 0;
    for (place, segment) in text.split('/').enumerate() {
        if place > 0 {
            template.push('/');
        }
        // A verb may follow the star: `*:cancel`.
        let Some(behind) = segment.strip_prefix('*') else {
            template.push_str(segment);
            continue;
        };
        if behind.starts_with('*') {
            return None;
        }
        count += 1;
        template.push('{');
        template.push_str(name);
        if count > 1 || name.is_empty() {
            template.push('.');
            template.push_str(&count.to_string());
        }
        template.push('}');
        template.push_str(behind);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn a_varying_segment_is_a_parameter_of_its_own() {
        let cases = [
            ("/v1/a", Some("/v1/a")),
            ("/v1/{id}", Some("/v1/{id}")),
            ("/v1/{book.name=shelves/*/books/*}:read", Some("/v1/shelves/{book.name}/books/{book.name.2}:read")),
            ("/v1/{parent=shelves/*}/books/{id}", Some("/v1/shelves/{parent}/books/{id}")),
            ("/v1/*/b/*:go", Some("/v1/{.1}/b/{.2}:go")),
            ("/v1/{name=files/**}", None),
            ("/v1/{name", None),
        ];
        for (path, expected) in cases {
            assert_eq!(template(path).as_deref(), expected, "{path}");
        }
    }
}
