//! Documents of any number of operations, one in each format, with types that refer to others as those of real ones do.

use std::fmt::Write as _;

/// OpenAPI: two operations for each thing, and a type with five fields.
pub fn openapi(operations: usize) -> String {
    let mut text = String::from(r#"{"openapi":"3.1.0","info":{"title":"Things","version":"1"},"paths":{"#);
    for n in 0..operations.div_ceil(2) {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(
            text,
            r##"{comma}
  "/things-{n}/{{id}}": {{
    "parameters": [{{"name": "id", "in": "path", "required": true, "schema": {{"type": "string", "maxLength": 40}}}}],
    "get": {{"operationId": "get{n}", "summary": "One of the things {n}", "responses": {{"200": {{"description": "It", "content": {{"application/json": {{"schema": {{"$ref": "#/components/schemas/Thing{n}"}}}}}}}}}}}},
    "put": {{"operationId": "put{n}", "requestBody": {{"content": {{"application/json": {{"schema": {{"$ref": "#/components/schemas/Thing{n}"}}}}}}}}, "responses": {{"204": {{"description": "Done"}}}}}}
  }}"##
        );
    }
    text.push_str("},\"components\":{\"schemas\":{");
    for n in 0..operations.div_ceil(2) {
        let (comma, other) = (if n == 0 { "" } else { "," }, n / 2);
        let _ = write!(
            text,
            r##"{comma}
  "Thing{n}": {{"type": "object", "required": ["id"], "properties": {{"id": {{"type": "string"}}, "size": {{"type": "integer", "minimum": 0}}, "colour": {{"enum": ["red", "green"]}}, "tags": {{"type": "array", "items": {{"type": "string"}}}}, "other": {{"$ref": "#/components/schemas/Thing{other}"}}}}}}"##
        );
    }
    text.push_str("}}}\n");
    text
}

/// GraphQL: so many fields of `Query`, each of a type of its own.
pub fn graphql(operations: usize) -> String {
    let mut text = String::from("type Query {\n");
    for n in 0..operations {
        let _ = writeln!(text, "  \"One of the things {n}\"\n  thing{n}(id: ID!, first: Int = 10): Thing{n}");
    }
    text.push_str("}\nenum Colour { RED GREEN }\n");
    for n in 0..operations {
        let _ = writeln!(
            text,
            "type Thing{n} {{\n  id: ID!\n  size: Int!\n  colour: Colour\n  tags: [String!]!\n  other: Thing{}\n}}",
            n / 2
        );
    }
    text
}

/// Protocol Buffers: ten methods for each service, each with a message of its own.
pub fn protobuf(operations: usize) -> String {
    let mut text = String::from(
        "syntax = \"proto3\";\npackage things.v1;\nenum Colour { COLOUR_UNKNOWN = 0; RED = 1; GREEN = 2; }\n",
    );
    for n in 0..operations {
        let _ = writeln!(
            text,
            "message Thing{n} {{\n  string id = 1;\n  int32 size = 2;\n  Colour colour = 3;\n  repeated string tags = 4;\n  Thing{} other = 5;\n}}",
            n / 2
        );
    }
    for service in 0..operations.div_ceil(10) {
        let _ = writeln!(text, "service Things{service} {{");
        for n in service * 10..operations.min(service * 10 + 10) {
            let _ = writeln!(text, "  rpc Get{n}(Thing{}) returns (Thing{n});", n / 2);
        }
        text.push_str("}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use catalog::readers::{Files, graphql, openapi, protobuf};

    #[test]
    fn documents_have_as_many_operations_as_they_should_and_nothing_wrong() {
        let read = [
            openapi::read(&Files::one("a.json", super::openapi(30).into_bytes()), &["a.json"]),
            graphql::read(&Files::one("a.graphql", super::graphql(30).into_bytes()), &["a.graphql"]),
            protobuf::read(&Files::one("a.proto", super::protobuf(30).into_bytes()), &["a.proto"]),
        ];
        for (surface, warnings) in read.map(Result::unwrap) {
            assert_eq!(surface.operations.len(), 30);
            let warnings = warnings.finish();
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }
}
