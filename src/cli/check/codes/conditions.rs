//! Conditions of events: MC150 to MC159.

use super::codes;

codes! {
    CONDITION_SYNTAX = "MC150" "condition-syntax" {
        title: "what is no condition",
        why: "The agent does not start with it. A condition has fields, `==`, `^=`, `&&`, `||`, `!` and parentheses, and nothing else.",
        example: "{\"key\": \"isolator_usage_when\", \"value\": \"label.team = infra\"}",
        advice: "write it as docs/conditions.md says; the mistake is where the marks are",
    }
    CONDITION_FIELD = "MC151" "condition-field" {
        title: "a condition asks for what the event does not have",
        why: "The agent does not start with it. What Mesos tells of a container or task is not the same for each event: a container's config has the ID of its framework and not its name.",
        example: "{\"key\": \"isolator_usage_when\", \"value\": \"framework.name == marathon\"}",
        advice: "ask for one of the fields that the message lists; `mesos-command explain EVENT` has them too",
    }
    CONDITION_VALUE = "MC152" "condition-value" {
        title: "a condition asks of a field what cannot be asked of it",
        why: "The agent does not start with it: the answer would be the same for every container.",
        example: "{\"key\": \"isolator_usage_when\", \"value\": \"executor == docker\"}",
        advice: "write one of the accepted forms",
    }
}
