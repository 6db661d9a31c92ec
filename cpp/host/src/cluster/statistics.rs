//! What the agent's endpoints have to say about its containers.

use serde_json::Value;

/// What the recording usage command answers as `disk_used_bytes`.
const RECORDED_BYTES: u64 = 4242;

/// What is wrong with the entries of an endpoint about the containers of `lasting` tasks, whose
/// executors have their names; `recorded` when usage is answered by the recording command.
pub(super) fn complaints(entries: &[Value], lasting: &[String], recorded: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for name in lasting {
        let entry = entries.iter().find(|entry| entry["executor_id"] == name.as_str());
        let Some(entry) = entry else {
            complaints.push(format!("{name} is not listed"));
            continue;
        };
        // Every executor here uses some memory, which Mesos's own isolator reports.
        if entry.pointer("/statistics/timestamp").is_none() {
            complaints.push(format!("no statistics: {entry}"));
        }
        let bytes = entry.pointer("/statistics/disk_used_bytes").and_then(Value::as_u64);
        if recorded && bytes != Some(RECORDED_BYTES) {
            complaints.push(format!("not what the usage command answered: {entry}"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lasting_containers_are_judged_and_no_others() {
        let good = json!({"executor_id": "task-1",
            "statistics": {"timestamp": 1.5, "disk_used_bytes": RECORDED_BYTES}});
        let ending = json!({"executor_id": "task-0"});
        let lasting = ["task-1".to_owned()];
        let judge = |entries: &[Value]| complaints(entries, &lasting, true);
        assert_eq!(judge(&[ending.clone(), good.clone()]), Vec::<String>::new());
        assert_eq!(judge(&[ending]), ["task-1 is not listed"]);
        let bare = json!({"executor_id": "task-1"});
        assert_eq!(judge(&[bare]).len(), 2);
        let other = json!({"executor_id": "task-1",
            "statistics": {"timestamp": 1.5, "disk_used_bytes": 1}});
        assert_eq!(judge(&[other]).len(), 1);
    }
}
