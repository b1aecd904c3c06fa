//! An OpenAPI document of any size, for tests that need a large one and have no corpus at hand.

use std::fmt::Write as _;

/// A document in OpenAPI 3.0.3 as JSON, one key a line, with exactly so many operations: `GET`, `POST`, `PUT` and `DELETE` in turn on
/// `/resource-N`, `operationId`s `get_0`, `post_1`, `put_2`, `delete_3`, `get_4`, and every tenth one deprecated. Operation N's summary is `Verb thing N`.
pub(crate) fn document(operations: usize) -> String {
    let mut json = String::from(
        "{\n\"openapi\": \"3.0.3\",\n\"info\": {\n\"title\": \"Generated\",\n\"version\": \"1.0.0\"\n},\n\"paths\": {",
    );
    for number in 0..operations {
        let (method, verb) = match number % 4 {
            0 => ("get", "Read"),
            1 => ("post", "Create"),
            2 => ("put", "Replace"),
            _ => ("delete", "Remove"),
        };
        if number % 4 == 0 {
            json.push_str(if number == 0 { "\n" } else { "\n},\n" });
            let _ = writeln!(json, "\"/resource-{}/{{id}}\": {{", number / 4);
        } else {
            json.push_str(",\n");
        }
        let _ = write!(
            json,
            "\"{method}\": {{\n\"operationId\": \"{method}_{number}\",\n\"summary\": \"{verb} thing {number}\",\n\"deprecated\": {},\n\
             \"responses\": {{\"200\": {{\"description\": \"The thing.\", \"content\": {{\"application/json\": {{\"schema\": {{\"$ref\": \"#/components/schemas/Thing\"}}}}}}}}}}\n}}",
            number % 10 == 0
        );
    }
    if operations > 0 {
        json.push_str("\n}");
    }
    json.push_str(
        "\n},\n\"components\": {\"schemas\": {\"Thing\": {\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"}}}}}\n}\n",
    );
    json
}
