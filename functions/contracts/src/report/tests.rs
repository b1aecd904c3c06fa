use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rules;

/// A report of three findings, something that was not compared, and a warning: with these texts in every foreign place.
fn report(summary: &str, file: &str, pointer: &str, operation: &str) -> Report {
    let place = |line, column| Some(Location { file: file.to_owned(), line, column, pointer: pointer.to_owned() });
    let finding = |rule: &'static rules::Rule, before, after, print: &str| Finding {
        rule: rule.id,
        severity: rule.severity,
        summary: summary.to_owned(),
        operations: vec![operation.to_owned(); 2],
        before,
        after,
        fingerprint: print.repeat(32),
    };
    Report {
        verdict: Verdict::Breaking,
        headline: None,
        notes: vec![],
        findings: vec![
            finding(&rules::RESPONSE_FIELD_REMOVED, place(12, 9), None, "a"),
            finding(&rules::RESPONSE_ENUM_VALUE_ADDED, place(3, 5), place(4, 5), "b"),
            finding(&rules::OPERATION_ADDED, None, place(0, 0), "c"),
        ],
        not_compared: vec![NotCompared { summary: summary.to_owned(), operations: vec![], before: None, after: None }],
        warnings: Warnings {
            before: vec![Warning {
                code: "code".into(),
                message: summary.to_owned(),
                file: file.to_owned(),
                line: 2,
                pointer: pointer.to_owned(),
            }],
            after: vec![],
        },
    }
}

fn plain() -> Report {
    report("The field `tag` is gone.", "api/pets.yaml", "/paths/~1pets", "listPets")
}

fn scene() -> Scene {
    Scene { file: "api/pets.yaml".into(), base_url: "https://api.example".into() }
}

fn written(form: Form, report: &Report, color: bool) -> String {
    String::from_utf8(form.write(report, &scene(), color).unwrap()).unwrap()
}

#[test]
fn text_is_for_people() {
    let wanted = "breaking: 1 breaking, 1 dangerous, 1 compatible, 1 not compared

breaking response-field-removed
  The field `tag` is gone.
  was at api/pets.yaml:12:9
  operations: listPets, listPets

dangerous response-enum-value-added
  The field `tag` is gone.
  api/pets.yaml:3:5 -> api/pets.yaml:4:5
  operations: listPets, listPets

compatible operation-added
  The field `tag` is gone.
  at api/pets.yaml /paths/~1pets
  operations: listPets, listPets

not compared
  The field `tag` is gone.

warning before code
  The field `tag` is gone.
  api/pets.yaml:2 /paths/~1pets
";
    assert_eq!(written(Form::Text, &plain(), false), wanted);
    let colored = written(Form::Text, &plain(), true);
    assert!(colored.starts_with("\x1b[1;31mbreaking\x1b[0m: 1 breaking"), "{colored}");
}

#[test]
fn markdown_is_for_a_pull_request() {
    let wanted = "## API changes: breaking

1 breaking, 1 dangerous, 1 compatible, 1 not compared

### breaking (1)

| rule | what | where | operations |
| --- | --- | --- | --- |
| [`response-field-removed`](https://api.example/v1/contracts/rules/response-field-removed) | The field &#96;tag&#96; is gone. | was <code>api&#47;pets&#46;yaml:12</code> | 2 |

<details><summary>breaking 1: operations</summary>

<code>listPets</code>, <code>listPets</code>

</details>
";
    let markdown = written(Form::Markdown, &plain(), false);
    assert!(markdown.starts_with(wanted), "{markdown}");
    let end = "### not compared (1)

| rule | what | where | operations |
| --- | --- | --- | --- |
| not compared | The field &#96;tag&#96; is gone. |  | 0 |

<details><summary>warnings (1)</summary>

- before, api&#47;pets&#46;yaml, line 2: The field &#96;tag&#96; is gone.

</details>
";
    assert!(markdown.ends_with(end), "{markdown}");
}

#[test]
fn junit_fails_for_what_breaks_and_skips_what_may() {
    let wanted = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"contracts\" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"2\">
<testsuite name=\"contracts\" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"2\">
<properties><property name=\"verdict\" value=\"breaking\"/></properties>
<testcase classname=\"contracts.response-field-removed\" name=\"The field `tag` is gone.\" file=\"api/pets.yaml\" line=\"12\" time=\"0\"><properties><property name=\"fingerprint\" value=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"/></properties><failure type=\"response-field-removed\" message=\"The field `tag` is gone.\">before: api/pets.yaml:12:9
operation: listPets
operation: listPets
</failure></testcase>
<testcase classname=\"contracts.response-enum-value-added\" name=\"The field `tag` is gone.\" file=\"api/pets.yaml\" line=\"4\" time=\"0\"><properties><property name=\"fingerprint\" value=\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"/></properties><skipped message=\"dangerous: The field `tag` is gone.\"/></testcase>
<testcase classname=\"contracts.operation-added\" name=\"The field `tag` is gone.\" file=\"api/pets.yaml\" time=\"0\"><properties><property name=\"fingerprint\" value=\"cccccccccccccccccccccccccccccccc\"/></properties></testcase>
<testcase classname=\"contracts.not-compared\" name=\"The field `tag` is gone.\" file=\"api/pets.yaml\" time=\"0\"><skipped message=\"not compared: The field `tag` is gone.\"/></testcase>
</testsuite>
</testsuites>
";
    assert_eq!(written(Form::Junit, &plain(), false), wanted);
    let nothing = Report {
        verdict: Verdict::Identical,
        findings: vec![],
        not_compared: vec![],
        warnings: Warnings::default(),
        headline: None,
        notes: vec![],
    };
    let text = written(Form::Xml, &nothing, false);
    assert!(text.contains("tests=\"1\" failures=\"0\"") && text.contains("name=\"identical\""), "{text}");
}

#[test]
fn annotations_come_the_worst_first_and_ten_of_a_kind() {
    let wanted = "breaking: 1 breaking, 1 dangerous, 1 compatible, 1 not compared
::error file=api/pets.yaml,line=12,col=9,title=response-field-removed::The field `tag` is gone.
::warning file=api/pets.yaml,line=4,col=5,title=response-enum-value-added::The field `tag` is gone.
::warning file=api/pets.yaml,title=not-compared::The field `tag` is gone.
::notice file=api/pets.yaml,title=operation-added::The field `tag` is gone.
";
    assert_eq!(written(Form::Annotations, &plain(), false), wanted);
    let mut many = plain();
    many.findings = vec![many.findings[0].clone(); 13];
    let text = written(Form::Annotations, &many, false);
    assert_eq!(text.matches("\n::error ").count(), 10);
    assert!(text.contains("\nand 3 more: breaking\n"), "{text}");
}

#[test]
fn escapes_of_github_are_used_where_they_count() {
    let odd = report("100% of\n::error::x", "a,b:c%.yaml", "/", "o");
    let text = written(Form::Annotations, &odd, false);
    assert!(
        text.contains(
            "\n::error file=a%2Cb%3Ac%25.yaml,line=12,col=9,title=response-field-removed::100%25 of ::error::x\n"
        ),
        "{text}"
    );
}

#[test]
fn sarif_has_a_place_a_level_and_a_fingerprint_for_every_result() {
    let log: Value = serde_json::from_str(&written(Form::Sarif, &plain(), false)).unwrap();
    let run = &log["runs"][0];
    assert_eq!((&log["version"], &run["columnKind"]), (&json!("2.1.0"), &json!("unicodeCodePoints")));
    let wanted = json!({
        "ruleId": "response-enum-value-added", "ruleIndex": 1, "level": "warning",
        "message": {"text": "The field `tag` is gone."},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": "api/pets.yaml"}, "region": {"startLine": 4, "startColumn": 5}}}],
        "relatedLocations": [{"id": 0, "physicalLocation": {"artifactLocation": {"uri": "api/pets.yaml"}, "region": {"startLine": 3, "startColumn": 5}},
            "message": {"text": "It stood here before."}}],
        "partialFingerprints": {"doorwayContracts/v1": "b".repeat(32)},
        "properties": {"operations": 2}
    });
    assert_eq!(run["results"][1], wanted);
    let levels: Vec<&Value> = run["results"].as_array().unwrap().iter().map(|result| &result["level"]).collect();
    assert_eq!(levels, ["error", "warning", "warning", "note"]);
    assert_eq!(
        run["results"][2]["locations"][0],
        json!({"physicalLocation": {"artifactLocation": {"uri": "api/pets.yaml"}}})
    );
    let rule = &run["tool"]["driver"]["rules"][0];
    assert_eq!(rule["id"], "response-field-removed");
    assert_eq!(rule["helpUri"], "https://api.example/v1/contracts/rules/response-field-removed");
    assert!(rule["help"]["markdown"].as_str().unwrap().starts_with("# response-field-removed\n"), "{rule}");
    assert_eq!(
        run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"],
        "before, line 2: The field `tag` is gone."
    );
}

#[test]
fn sarif_lists_no_more_than_is_shown_and_the_worst_first() {
    let mut many = plain();
    let (worst, least) = (many.findings[0].clone(), many.findings[2].clone());
    many.findings = vec![worst; 20].into_iter().chain(vec![least; 6_000]).collect();
    let log: Value = serde_json::from_str(&written(Form::Sarif, &many, false)).unwrap();
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 5_000);
    assert_eq!(
        (&results[19]["level"], &results[20]["level"], &results[21]["level"]),
        (&json!("error"), &json!("warning"), &json!("note"))
    );
    let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
    assert_eq!(notes.last().unwrap()["message"]["text"], "1021 more are not listed: the worst come first.");
}

#[test]
fn markdown_fits_a_comment_whatever_was_found() {
    let mut many = report(&"x|".repeat(400), &"f".repeat(500), "/", &"o".repeat(300));
    for finding in &mut many.findings {
        finding.operations = vec!["operation".repeat(20); 5_000];
    }
    many.findings = (0..900).map(|at| many.findings[at / 300].clone()).collect();
    let text = written(Form::Markdown, &many, false);
    assert!(text.len() < 65_536, "{}", text.len());
    assert!(text.contains("\n### compatible (300)\n") && text.contains(" more\n"), "every severity is counted");
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
}

#[test]
fn the_form_is_the_one_that_the_receiver_likes_best() {
    let accepted = |header: &str| Form::accepted(Some(header));
    assert_eq!(Form::accepted(None), Some(Form::Json));
    for (header, form) in [
        ("", Form::Json),
        ("*/*", Form::Json),
        ("application/*", Form::Json),
        ("text/*", Form::Text),
        ("text/plain", Form::Text),
        ("text/markdown, text/plain;q=0.5", Form::Markdown),
        ("application/sarif+json", Form::Sarif),
        ("application/junit+xml", Form::Junit),
        ("application/xml, */*;q=0.1", Form::Xml),
        ("text/vnd.github.annotations", Form::Annotations),
        ("application/gzip", Form::Json),
        ("application/gzip;q=0.5, application/sarif+json", Form::Sarif),
    ] {
        assert_eq!(accepted(header), Some(form), "{header}");
    }
    assert_eq!(accepted("application/sarif"), None);
    assert_eq!(accepted("text/plain;q=0"), None);
}

/// Texts that somebody might call something, to break out of a form.
fn foreign() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        any::<char>().prop_map(String::from),
        proptest::sample::select(vec![
            "|",
            "`",
            "\n",
            "\r\n",
            "\\",
            "</details>",
            "<script>",
            "@octocat",
            "#1",
            "](https://evil.example)",
            "![x](y)",
            "&amp;",
            "&#10;",
            "]]>",
            "<!--",
            "::error::",
            "%0A",
            ",line=1",
            "\u{1b}[31m",
            "\u{202e}",
            "{0}",
            "\"",
            "'",
            "https://evil.example",
            "| --- |",
            "\u{0}",
            "\u{2028}",
            "-->",
            "*a*",
            "_b_",
            "~c~",
            "\n## x\n",
            "\t",
            "\u{feff}",
            "$x$",
            "\u{fffe}"
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

/// How often each of these stands in a text.
fn counts_of(text: &str, marks: &[char]) -> Vec<usize> {
    marks.iter().map(|mark| text.chars().filter(|c| c == mark).count()).collect()
}

fn same_marks(form: Form, hostile: &Report, marks: &[char]) -> Result<String, TestCaseError> {
    // The same, with texts that mean nothing: no text may add a mark.
    let harmless = written(form, &report("x", "x", "x", "x"), false);
    let text = written(form, hostile, false);
    prop_assert_eq!(counts_of(&text, marks), counts_of(&harmless, marks), "{}", text);
    prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{:?}", text);
    prop_assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{2028}', '\u{200f}']), "{:?}", text);
    Ok(text)
}

proptest! {
    #[test]
    fn no_foreign_text_leaves_its_place_in_any_form(summary in foreign(), file in "\\PC{1,4}", end in foreign(), pointer in foreign(), operation in foreign()) {
        let hostile = report(&summary, &format!("{file}{end}"), &pointer, &operation);
        same_marks(Form::Text, &hostile, &['\n', '\u{1b}'])?;
        let markdown = same_marks(Form::Markdown, &hostile, &['\n', '|', '<', '>', '[', ']', '(', ')', '`', '@', '!', '*', '_', '~', '\\', '$', '"', '\''])?;
        let references = |text: &str| text.split('&').skip(1).all(|rest| rest.starts_with('#') && rest[1..].split(';').next().is_some_and(|number| number.parse::<u32>().is_ok()));
        prop_assert!(references(&markdown), "{}", markdown);
        let xml = same_marks(Form::Junit, &hostile, &['\n', '<', '>', '"'])?;
        prop_assert!(xml.split('&').skip(1).all(|rest| ["amp;", "lt;", "gt;", "quot;", "apos;"].iter().any(|name| rest.starts_with(name))), "{}", xml);
        prop_assert!(!xml.contains(['\u{fffe}', '\u{ffff}']), "{:?}", xml);
        let annotations = same_marks(Form::Annotations, &hostile, &['\n'])?;
        for line in annotations.lines().filter(|line| line.starts_with("::")) {
            let (properties, _) = line[2..].split_once("::").unwrap();
            let (_, properties) = properties.split_once(' ').unwrap();
            prop_assert!(properties.split(',').all(|property| ["file=", "line=", "col=", "title="].iter().any(|name| property.starts_with(name))), "{}", line);
            prop_assert!(!properties.contains(':'), "{}", line);
        }
    }

    #[test]
    fn sarif_keeps_foreign_texts_apart_from_links_placeholders_and_addresses(summary in foreign(), file in foreign(), pointer in foreign()) {
        let log: Value = serde_json::from_str(&written(Form::Sarif, &report(&summary, &file, &pointer, "o"), false)).unwrap();
        for result in log["runs"][0]["results"].as_array().unwrap() {
            let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
            prop_assert!(!uri.is_empty() && uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_~%".contains(&byte)), "{}", uri);
            let text = result["message"]["text"].as_str().unwrap();
            prop_assert!(!text.replace("\\\\", "").replace("\\[", "").replace("\\]", "").contains(['[', ']']), "{}", text);
            prop_assert!(!text.replace("{{", "").contains("{0"), "{}", text);
            prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
        }
    }

    #[test]
    fn no_header_makes_the_choice_panic(header in any::<String>()) {
        let _ = Form::accepted(Some(&header));
    }
}

#[test]
#[ignore = "needs @microsoft/jest-sarif, one of the reference tools that `cargo ci` installs"]
fn reference_schema_of_sarif_accepts_every_log() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let packages =
        std::env::var_os("DOORWAY_NODE_PACKAGES").expect("DOORWAY_NODE_PACKAGES names the folder of node's packages");
    let nothing = Report {
        verdict: Verdict::Identical,
        findings: vec![],
        not_compared: vec![],
        warnings: Warnings::default(),
        headline: None,
        notes: vec![],
    };
    let mut many = plain();
    many.findings = vec![many.findings[0].clone(); 6_000];
    let odd = report("a [b](c) {0} \u{1b}\n\\", "a b/\u{e9}%#?.yaml", "", "");
    let nowhere = Scene::default();
    let logs = [(&plain(), &scene()), (&nothing, &scene()), (&many, &scene()), (&odd, &nowhere), (&nothing, &nowhere)];
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/sarif.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .arg(packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut input = node.stdin.take().unwrap();
    for (report, scene) in logs {
        input.write_all(&Form::Sarif.write(report, scene, false).unwrap()).unwrap();
        input.write_all(b"\n").unwrap();
    }
    drop(input);
    let output = node.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "4\n0\n5000\n4\n0\n");
}
