//! template.yaml: order, names, rights.

use std::{collections::BTreeSet, fs};

use tidy::{
    FUNCTIONS, logical_id, root,
    template::{Resource, resources},
};

use crate::none;

fn template() -> Vec<Resource> {
    resources(&fs::read_to_string(root().join("template.yaml")).unwrap())
}

/// What a block may have, in order, after the function's own name.
const BLOCK: [&str; 15] = [
    "",
    "Table",
    "OutboxRole",
    "Outbox",
    "Queue",
    "DeadLetters",
    "QueuePolicy",
    "Rule",
    "Logs",
    "InternalErrors",
    "ErrorsAlarm",
    "OutboxAlarm",
    "DeadLettersAlarm",
    "LagAlarm",
    "",
];

fn owner(id: &str) -> Option<&'static str> {
    FUNCTIONS.into_iter().find(|name| id.starts_with(&logical_id(name)))
}

#[test]
fn blocks_and_what_is_in_them_are_in_order() {
    let ids: Vec<String> = template().into_iter().map(|resource| resource.id).collect();
    let position = |id: &str| {
        owner(id).and_then(|name| {
            let block = FUNCTIONS.iter().position(|known| *known == name)?;
            let rest = id.strip_prefix(&logical_id(name))?;
            // What one function alone has, such as an alarm of its own, stands at the end.
            Some((block + 1, BLOCK.iter().position(|part| *part == rest).unwrap_or(BLOCK.len() - 1)))
        })
    };
    let mut sorted = ids.clone();
    sorted.sort_by_key(|id| position(id).unwrap_or((0, 0)));
    assert_eq!(ids, sorted, "what is common first, then one block per function");
}

#[test]
fn every_function_has_its_table_its_logs_its_alarm_and_the_alias_live() {
    let all = template();
    let find = |id: String| all.iter().find(|resource| resource.id == id);
    let mut findings = Vec::new();
    for name in FUNCTIONS {
        let logical = logical_id(name);
        let Some(function) = find(logical.clone()) else {
            findings.push(format!("{logical} is missing"));
            continue;
        };
        let wanted = [
            format!("CodeUri: target/lambda/{name}/"),
            format!("TABLE: !Ref {logical}Table"),
            format!("LogGroup: !Ref {logical}Logs"),
            "Type: !Ref Rollout".to_owned(),
            format!("Alarms: [!Ref {logical}ErrorsAlarm]"),
        ];
        findings
            .extend(wanted.iter().filter(|line| !function.says(line)).map(|line| format!("{logical} lacks `{line}`")));
        for part in ["Table", "Logs", "InternalErrors", "ErrorsAlarm"] {
            if find(format!("{logical}{part}")).is_none() {
                findings.push(format!("{logical}{part} is missing"));
            }
        }
    }
    none("every function is deployed and watched the same way", &findings);
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    for global in ["Architectures: [arm64]", "Runtime: provided.al2023", "AutoPublishAlias: live"] {
        assert!(text.contains(global), "{global}");
    }
}

#[test]
fn a_policy_names_its_own_table_and_actions_one_by_one() {
    let mut findings = Vec::new();
    for function in template().iter().filter(|resource| resource.kind == "AWS::Serverless::Function") {
        let policies = function.below("Policies:");
        let keeps = root().join("functions").join(function.id.to_lowercase()).join("src/store.rs").is_file();
        assert_eq!(keeps, !policies.is_empty(), "{}: who has a store has a policy, and nobody else", function.id);
        let table = format!("{}Table", function.id);
        for line in policies {
            findings.extend(
                tidy::template::references(line)
                    .into_iter()
                    .filter(|name| *name != table)
                    .map(|name| format!("{} names {name}", function.id)),
            );
            if line.contains('*') || line.contains("Scan") {
                findings.push(format!("{}: {}", function.id, line.trim()));
            }
        }
    }
    none("least privilege", &findings);
}

/// What in a store makes use of an action.
const EVIDENCE: [(&str, &[&str]); 9] = [
    ("GetItem", &[".get(", ".get_item("]),
    ("BatchGetItem", &[".batch_get_item("]),
    ("Query", &[".list(", ".query("]),
    ("PutItem", &[".create(", ".put(", ".put_item(", ".project("]),
    ("UpdateItem", &[".update_item(", "Update::builder("]),
    ("DeleteItem", &[".delete(", ".delete_item(", "Delete::builder(", "transaction.forget("]),
    ("BatchWriteItem", &[".batch_write_item("]),
    ("ConditionCheckItem", &[".require(", "ConditionCheck::builder("]),
    ("Scan", &[".scan("]),
];

#[test]
fn a_policy_allows_what_the_store_does_and_nothing_else() {
    let texts = tidy::texts().unwrap();
    let mut findings = Vec::new();
    for function in template().iter().filter(|resource| resource.kind == "AWS::Serverless::Function") {
        let allowed: BTreeSet<&str> = function
            .below("Policies:")
            .into_iter()
            .filter_map(|line| line.trim().strip_prefix("- dynamodb:"))
            .collect();
        let folder = format!("functions/{}/src/store", function.id.to_lowercase());
        let store: String = texts
            .iter()
            .filter(|text| text.path.starts_with(&folder))
            .flat_map(|text| text.content.split_whitespace())
            .collect();
        let used: BTreeSet<&str> = EVIDENCE
            .iter()
            .filter(|(_, signs)| signs.iter().any(|sign| store.contains(sign)))
            .map(|(action, _)| *action)
            .collect();
        // Every store reads by `get`, and a map has a `get` too: that direction alone proves nothing for it.
        for action in
            allowed.symmetric_difference(&used).filter(|action| **action != "GetItem" || allowed.contains(*action))
        {
            findings.push(format!(
                "{}: {action} is {}",
                function.id,
                if allowed.contains(action) { "allowed and not used" } else { "used and not allowed" }
            ));
        }
    }
    none("only the actions that it uses", &findings);
}

#[test]
fn nothing_of_a_block_names_another_functions_table_but_the_meter() {
    let mut findings = Vec::new();
    let tables: BTreeSet<String> = FUNCTIONS.iter().map(|name| format!("{}Table", logical_id(name))).collect();
    for resource in template() {
        let Some(name) = owner(&resource.id) else {
            continue;
        };
        let own = format!("{}Table", logical_id(name));
        for line in &resource.lines {
            for table in tidy::template::references(line) {
                let meter = resource.id == "Usage" && line.trim() == "Stream: !GetAtt GatewayTable.StreamArn";
                if tables.contains(&table) && table != own && !meter {
                    findings.push(format!("{}: {}", resource.id, line.trim()));
                }
            }
        }
    }
    none("a table is its function's own", &findings);
}

#[test]
fn tables_outlive_the_stack_and_can_be_restored() {
    let mut findings = Vec::new();
    for table in template().iter().filter(|resource| resource.kind == "AWS::DynamoDB::Table") {
        for line in [
            "DeletionPolicy: Retain",
            "UpdateReplacePolicy: Retain",
            "BillingMode: PAY_PER_REQUEST",
            "TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}",
            "PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}",
        ] {
            if !table.says(line) {
                findings.push(format!("{} lacks `{line}`", table.id));
            }
        }
    }
    none("tables", &findings);
}

#[test]
fn no_resource_has_a_fixed_physical_name() {
    let names = [
        "FunctionName",
        "TableName",
        "QueueName",
        "RoleName",
        "LogGroupName",
        "AlarmName",
        "Name",
        "ArchiveName",
        "PolicyName",
        "ApiName",
    ];
    let mut findings = Vec::new();
    for resource in template() {
        for line in resource.lines.iter().filter(|line| line.starts_with("      ") && !line.starts_with("       ")) {
            let Some((field, value)) = line.trim().split_once(": ") else {
                continue;
            };
            if names.contains(&field) && !value.starts_with('!') {
                findings.push(format!("{}: {}", resource.id, line.trim()));
            }
        }
    }
    none("a second stack in the account would fail", &findings);
}

#[test]
fn every_queue_that_feeds_a_function_has_dead_letters_that_alarm() {
    let all = template();
    let has = |id: String| all.iter().any(|resource| resource.id == id);
    let mut findings = Vec::new();
    for queue in all.iter().filter(|resource| resource.kind == "AWS::SQS::Queue") {
        if queue.id.ends_with("DeadLetters") {
            if !has(format!("{}Alarm", queue.id)) {
                findings.push(format!("{} has no alarm", queue.id));
            }
        } else if !queue.lines.iter().any(|line| line.trim().starts_with("RedrivePolicy: ")) {
            findings.push(format!("{} has no dead letters", queue.id));
        }
    }
    none("queues", &findings);
}

#[test]
fn logs_are_not_kept_for_ever() {
    let all = template();
    let logs: Vec<_> = all.iter().filter(|resource| resource.kind == "AWS::Logs::LogGroup").collect();
    assert!(logs.len() > FUNCTIONS.len());
    let findings: Vec<String> = logs
        .iter()
        .filter(|group| !group.says("RetentionInDays: !Ref LogRetentionDays"))
        .map(|group| group.id.clone())
        .collect();
    none("no retention", &findings);
}
