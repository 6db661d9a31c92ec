//! Permissions, directories, files and ports: MC130 and up.

use super::codes;

codes! {
    WRITABLE_BY_OTHERS = "MC130" "writable-by-others" {
        title: "others than root and the agent's user can write to it",
        why: "Who can change a command, its interpreter, or a directory on the way to them decides what runs as the agent's user, which mostly is root.",
        example: "drwxrwxrwx /opt",
        advice: "chmod go-w, or another directory",
    }
    OWNER = "MC131" "owner" {
        title: "it belongs to neither root nor the agent's user",
        why: "Its owner can change it, and so decide what runs as the agent's user.",
        example: "-rwxr-xr-x alice /opt/usage.sh",
        advice: "chown root:",
    }
    RELATIVE = "MC132" "relative" {
        title: "a path that is not absolute",
        why: "The directory in which the agent is started decides what it means.",
        example: "PATH=.:/usr/bin",
        advice: "write the absolute path",
    }
    DIRECTORY_MISSING = "MC133" "directory-missing" {
        title: "a directory that does not exist, or is none",
        why: "Without its `temp_dir` the agent does not start; without `state_dir` contexts are lost at a restart; without the directory of `metrics_textfile` nothing is written.",
        example: "{\"key\": \"temp_dir\", \"value\": \"/no/such\"}",
        advice: "make it, or correct the path",
    }
    STATE_DIRECTORY_SHARED = "MC134" "state-directory-shared" {
        title: "something else lives among the contexts",
        why: "At a restart of the agent the directory is read, and what is no context is told and left.",
        example: "/var/run/mesos/isolators/command/accounting/notes.txt",
        advice: "choose a state_dir and a module_name of which nothing else knows",
    }
    PORT_OF_MESOS = "MC140" "port-of-mesos" {
        title: "metrics on the port of the agent or the master",
        why: "Only one of them can listen there. It is the agent that does, and there are no metrics.",
        example: "{\"key\": \"metrics_address\", \"value\": \"0.0.0.0:5051\"}",
        advice: "choose another port",
    }
    PORT_OFFERED = "MC141" "port-offered" {
        title: "metrics on a port that the agent offers to tasks",
        why: "Mesos may give the port to a task, which then cannot listen there.",
        example: "{\"key\": \"metrics_address\", \"value\": \"31000\"}",
        advice: "choose a port outside of the `ports` resource (31000 to 32000 by default)",
    }
    PORT_EPHEMERAL = "MC142" "port-ephemeral" {
        title: "metrics on a port that the kernel gives to outgoing connections",
        why: "At a restart of the agent such a connection may have the port, and there are no metrics.",
        example: "{\"key\": \"metrics_address\", \"value\": \"40000\"}",
        advice: "choose a port below those of net.ipv4.ip_local_port_range, or reserve it in net.ipv4.ip_local_reserved_ports",
    }
    PORT_TAKEN = "MC143" "port-taken" {
        title: "something listens on the port of the metrics now",
        why: "That is the agent itself, if it runs with this configuration.",
        example: "another exporter on 127.0.0.1:9464",
        advice: "look with `ss -ltnp` whether it is the agent",
    }
    PORT_EVERYWHERE = "MC144" "port-everywhere" {
        title: "metrics can be read from everywhere",
        why: "The listener has neither a password nor TLS. Metrics name modules and events, no containers.",
        example: "{\"key\": \"metrics_address\", \"value\": \"0.0.0.0:9464\"}",
        advice: "name the address of the network from which Prometheus scrapes, or filter the port",
    }
    PAGE_FROM_ELSEWHERE = "MC145" "page-from-elsewhere" {
        title: "the status page can be read from other machines",
        why: "The listener has neither a password nor TLS, and the page names containers and tasks and quotes what commands print.",
        example: "{\"key\": \"status_page\", \"value\": \"true\"} beside {\"key\": \"metrics_address\", \"value\": \"0.0.0.0:9464\"}",
        advice: "give the instance with status_page a metrics_address of 127.0.0.1 or unix:, and another instance that of Prometheus",
    }
    RELOAD_FILE = "MC146" "reload-file" {
        title: "a reload_from from which nothing can be reloaded",
        why: "A reload reads this file instead of the agent's own, and finds the instance by its kind and its module_name.",
        example: "{\"key\": \"reload_from\", \"value\": \"/etc/mesos/other.json\"}",
        advice: "name a modules file with this module, or leave the parameter out",
    }
}
