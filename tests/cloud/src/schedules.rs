//! Schedules of functions: `rate(…)` and `cron(…)`, in UTC.

mod cron;

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock;
use crate::data_error::DataError;
use crate::events::{Failure, Plane, function_events, id_of, number};
use crate::policy::{ACCOUNT, REGION};
use crate::template::Template;
use cron::Cron;

/// How often an asynchronous invocation is tried again if the template does not say.
const RETRIES: u64 = 2;
/// The wait before a retry. On AWS it is a minute.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const MINUTE_MS: i64 = 60_000;

/// One schedule of one function.
#[derive(Clone)]
pub(crate) struct Schedule {
    pub(crate) function: String,
    name: String,
    when: When,
    /// The text that is its payload.
    input: Option<String>,
    /// Made by `EventBridge` Scheduler, not by a rule.
    scheduler: bool,
    retries: u64,
    /// The queue that takes what could not be delivered.
    pub(crate) dead_letters: Option<String>,
}

#[derive(Clone)]
enum When {
    Every(Duration),
    Cron(Cron),
}

/// The schedules of a template's functions.
pub(crate) fn read(template: &Template) -> Result<Vec<Schedule>, DataError> {
    function_events(template, &["Schedule", "ScheduleV2"])
        .filter(|(_, _, _, properties)| properties.get("State").and_then(Value::as_str) != Some("DISABLED"))
        .map(|(function, name, kind, properties)| {
            let wrong = |reason: String| DataError::template(function, format!("{name}: {reason}"));
            let text = |name: &str| properties.get(name).and_then(Value::as_str);
            if text("ScheduleExpressionTimezone").is_some_and(|zone| zone != "UTC") {
                return Err(wrong("only the time zone UTC is played".to_owned()));
            }
            let expression = text("ScheduleExpression").or_else(|| text("Schedule")).unwrap_or_default();
            let schedule = Schedule {
                function: function.to_owned(),
                name: name.to_owned(),
                when: when(expression).map_err(wrong)?,
                input: text("Input").map(str::to_owned),
                scheduler: kind == "ScheduleV2",
                retries: properties
                    .get("RetryPolicy")
                    .and_then(|policy| number(policy, "MaximumRetryAttempts"))
                    .unwrap_or(RETRIES),
                dead_letters: properties
                    .pointer("/DeadLetterConfig/Arn")
                    .and_then(Value::as_str)
                    .map(|arn| id_of(arn).to_owned()),
            };
            schedule.payload(0, 1).map_err(wrong)?;
            Ok(schedule)
        })
        .collect()
}

fn when(expression: &str) -> Result<When, String> {
    let wrong = || format!("{expression} is not played: rate(n unit) or cron(…)");
    let inner = |name: &str| expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(rate) = inner("rate") {
        let (count, unit) = rate.split_once(' ').ok_or_else(wrong)?;
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3600,
            "day" => 24 * 3600,
            _ => return Err(wrong()),
        };
        let count: u64 = count.parse().map_err(|_| wrong())?;
        return if count == 0 {
            Err(wrong())
        } else {
            Ok(When::Every(Duration::from_secs(count.saturating_mul(seconds))))
        };
    }
    inner("cron").ok_or_else(wrong).and_then(Cron::parse).map(When::Cron)
}

impl When {
    /// The last moment it is due in the time after `after_ms` and up to `now_ms`. An interval counts from `begin_ms`.
    fn due(&self, begin_ms: i64, after_ms: i64, now_ms: i64) -> Option<i64> {
        match self {
            Self::Every(interval) => {
                let interval_ms = i64::try_from(interval.as_millis()).ok()?;
                let due_ms = begin_ms + (now_ms - begin_ms) / interval_ms * interval_ms;
                (due_ms > after_ms).then_some(due_ms)
            }
            Self::Cron(cron) => {
                let minutes = (after_ms.div_euclid(MINUTE_MS) + 1)..=now_ms.div_euclid(MINUTE_MS);
                let due = |minute: &i64| {
                    jiff::Timestamp::from_millisecond(minute * MINUTE_MS).is_ok_and(|time| cron.matches(&time))
                };
                minutes.rev().find(due).map(|minute| minute * MINUTE_MS)
            }
        }
    }

    /// When to look again.
    fn next(&self, begin_ms: i64, now_ms: i64) -> i64 {
        let (from_ms, step_ms) = match self {
            Self::Every(interval) => (begin_ms, i64::try_from(interval.as_millis()).unwrap_or(i64::MAX)),
            Self::Cron(_) => (0, MINUTE_MS),
        };
        from_ms + ((now_ms - from_ms) / step_ms + 1).saturating_mul(step_ms)
    }
}

impl Schedule {
    /// Fires for as long as the cloud runs, the first time one interval after `begin_ms`. What became due several times at once, because the
    /// clock jumped, fires once.
    pub(crate) async fn run(self, plane: Plane, begin_ms: i64) {
        let mut jumped = plane.clock.subscribe();
        let mut seen_ms = begin_ms;
        loop {
            let now_ms = plane.clock.now_ms();
            let due = self.when.due(begin_ms, seen_ms, now_ms);
            seen_ms = now_ms;
            let Some(due_ms) = due else {
                let left = u64::try_from(self.when.next(begin_ms, now_ms) - now_ms).unwrap_or(0);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(left)) => {}
                    _ = jumped.changed() => {}
                }
                continue;
            };
            if let Err(failure) = self.fire(&plane, due_ms).await {
                tracing::error!(function = self.function, schedule = self.name, %failure, "a scheduled invocation failed");
            }
        }
    }

    /// Invokes the function as scheduled for this time, with retries.
    pub(crate) async fn fire(&self, plane: &Plane, due_ms: i64) -> Result<(), Failure> {
        let mut attempt = 0;
        loop {
            let payload = self.payload(due_ms, attempt + 1).map_err(Failure::Failed)?;
            let Err(failure) = plane.invoker.invoke(&self.function, &payload).await else { return Ok(()) };
            if attempt == self.retries {
                if let Some(queue) = &self.dead_letters {
                    plane
                        .queues
                        .post(queue, &payload.to_string())
                        .map_err(|error| Failure::Failed(error.to_string()))?;
                }
                return Err(failure);
            }
            attempt += 1;
            tokio::time::sleep(plane.faults.redelivery_after().unwrap_or(RETRY_AFTER)).await;
        }
    }

    /// What the function gets. In an `Input` for Scheduler its context attributes are replaced.
    /// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
    fn payload(&self, due_ms: i64, attempt: u64) -> Result<Value, String> {
        let name = format!("{}{}", self.function, self.name);
        let (source, arn) = if self.scheduler {
            ("aws.scheduler", format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{name}"))
        } else {
            ("aws.events", format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}"))
        };
        let time = clock::text(due_ms);
        if let Some(input) = &self.input {
            let mut input = input.clone();
            if self.scheduler {
                let execution = uuid::Uuid::new_v4().simple().to_string();
                for (attribute, value) in [
                    ("schedule-arn", arn.as_str()),
                    ("scheduled-time", &time),
                    ("execution-id", &execution),
                    ("attempt-number", &attempt.to_string()),
                ] {
                    input = input.replace(&format!("<aws.scheduler.{attribute}>"), value);
                }
                if input.contains("<aws.scheduler.") {
                    return Err("Input names a context attribute that Scheduler does not have".to_owned());
                }
            }
            return serde_json::from_str(&input).map_err(|error| format!("Input is not JSON: {error}"));
        }
        Ok(json!({
            "version": "0",
            "id": uuid::Uuid::new_v4().to_string(),
            "detail-type": "Scheduled Event",
            "source": source,
            "account": ACCOUNT,
            "time": time,
            "region": REGION,
            "resources": [arn],
            "detail": if self.scheduler { json!("{}") } else { json!({}) },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert!(matches!(when("rate(5 minutes)"), Ok(When::Every(every)) if every == Duration::from_mins(5)));
        assert!(matches!(when("rate(1 day)"), Ok(When::Every(every)) if every == Duration::from_hours(24)));
        for wrong in ["rate(0 minutes)", "rate(5 weeks)", "rate(5)", "every(5 minutes)", "at(2026-01-01T00:00:00)"] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }
    #[test]
    fn a_jump_makes_an_interval_due_once_and_at_its_last_moment() {
        let every = when("rate(5 minutes)").unwrap();
        let minutes = |count: i64| 1_000 + count * MINUTE_MS;
        assert_eq!(every.due(minutes(0), minutes(0), minutes(5) - 1), None);
        assert_eq!(every.due(minutes(0), minutes(0), minutes(5)), Some(minutes(5)));
        assert_eq!(every.due(minutes(0), minutes(5), minutes(1_003)), Some(minutes(1_000)));
        assert_eq!(every.due(minutes(0), minutes(1_003), minutes(1_004)), None);
        assert_eq!(every.next(minutes(0), minutes(1_003)), minutes(1_005));
        let daily = when("cron(0 2 * * ? *)").unwrap();
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let (begin, end) = (at("2026-11-20T10:00:00Z"), at("2026-12-02T01:00:00Z"));
        assert_eq!(daily.due(0, begin, end), Some(at("2026-12-01T02:00:00Z")));
        assert_eq!(daily.due(0, end, at("2026-12-02T01:59:59Z")), None);
    }

    fn schedule(input: &str, scheduler: bool) -> Schedule {
        Schedule {
            function: "Meter".to_owned(),
            name: "Sweep".to_owned(),
            when: when("rate(1 day)").unwrap(),
            input: Some(input.to_owned()),
            scheduler,
            retries: 0,
            dead_letters: None,
        }
    }

    #[test]
    fn context_attributes_are_replaced_in_the_input_of_scheduler_and_only_there() {
        let input = r#"{"time":"<aws.scheduler.scheduled-time>","try":<aws.scheduler.attempt-number>,"of":"<aws.scheduler.schedule-arn>","id":"<aws.scheduler.execution-id>"}"#;
        let due_ms = "2026-12-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let mut payload = schedule(input, true).payload(due_ms, 2).unwrap();
        assert_eq!(payload.as_object_mut().unwrap().remove("id").unwrap().as_str().unwrap().len(), 32);
        let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/MeterSweep";
        assert_eq!(payload, json!({"time": "2026-12-01T00:00:00Z", "try": 2, "of": arn}));
        let text = r#"{"time":"<aws.scheduler.scheduled-time>"}"#;
        assert_eq!(schedule(text, false).payload(due_ms, 1).unwrap()["time"], "<aws.scheduler.scheduled-time>");
        assert!(schedule(r#"{"time":"<aws.scheduler.time>"}"#, true).payload(due_ms, 1).is_err());
        assert!(schedule("{", true).payload(due_ms, 1).is_err());
    }
}
