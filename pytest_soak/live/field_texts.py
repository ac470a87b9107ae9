"""One sentence for each field of the section ``target``, which an editor shows.

docs/profile_fields.md is written from it, and docs/live.md explains the fields at length.
"""

from __future__ import annotations

from collections.abc import Mapping

FIELD_TEXTS: Mapping[str, Mapping[str, str]] = {
    "TargetSection": {
        "parameters": "Where the parameters are delivered.",
        "report": "Where reports are read; several are a list.",
        "timing": "When an iteration is measured, and how long its report may take.",
        "faults": "After how many iterations without data the lane halts.",
        "processes": "The programs that are started: name to its fields.",
    },
    "ParametersFields": {
        "file": "A JSON file that is replaced by each delivery.",
        "yaml": "A YAML file of the bot, in which the values are changed.",
        "keys": "For yaml: parameter to the path of its value in the file.",
        "http": "A URL that gets the parameters as JSON.",
        "method": "The method of the HTTP request.",
        "headers": "HTTP headers; a secret comes from a variable: {env: NAME}.",
        "allow_hosts": "Hosts beyond the loopback interface that may be contacted.",
        "command": "A program that gets the parameters as JSON on its input.",
        "soak_block": "false: the parameters alone are sent, without the block that names them.",
        "timeout_s": "Seconds that one request or command may take.",
        "writer": "The name of a writer that another distribution registers.",
        "options": "What the writer needs; it checks them itself.",
        "notify": "A signal to a process after each delivery.",
        "on_end": "restore: at the end the original file is put in place again.",
    },
    "NotifyFields": {
        "process": "The process that gets the signal.",
        "signal": "The name of the signal.",
    },
    "ReportFields": {
        "file": "A JSON file that the bot writes.",
        "http": "A URL that answers with the report.",
        "prometheus": "The URL of the service's own /metrics.",
        "inputs": "For prometheus: a field of fills or block_reasons to the metric of it.",
        "headers": "HTTP headers; a secret comes from a variable: {env: NAME}.",
        "allow_hosts": "Hosts beyond the loopback interface that may be contacted.",
        "command": "A program that prints the report.",
        "timeout_s": "Seconds that one request or command may take.",
        "reader": "The name of a reader that another distribution registers.",
        "options": "What the reader needs; it checks them itself.",
        "audit": "A file of audit events, one JSON object a line.",
        "take": "merge: all reports of the iteration are merged into one.",
        "echo": "Where the report has the parameters that the bot runs with.",
    },
    "TimingFields": {
        "settle_s": "After a delivery so many seconds are not measured.",
        "deadline_s": "A report may arrive so many seconds after the measured span.",
    },
    "FaultsFields": {
        "in_a_row": "The lane halts after so many iterations in a row without data.",
        "ratio": "It halts when more than this ratio of the planned iterations is lost.",
    },
    "FromEnvironment": {
        "env": "The name of the variable that has the value.",
    },
    "ProcessFields": {
        "command": "The program and its arguments, as a list; there is no shell.",
        "after": "The processes that are ready before this one is started.",
        "env": "Variables of its environment; {env: NAME} is the value of another one.",
        "env_from": "Variables that must be set, and whose values are secrets.",
        "cwd": "Its working directory.",
        "ready": "When it is ready: all conditions that are given hold.",
        "stop": "How it is stopped.",
        "restart": "How often it is restarted if it dies.",
        "log": "The size of its log files.",
    },
    "ReadyFields": {
        "log": "A regular expression that matches in a line of its output.",
        "port": "It accepts connections at this port.",
        "file": "This file exists, and was written after the start.",
        "http": "This URL on the loopback interface answers with a status from 200 to 299.",
        "notify": "true: it sends READY=1 to NOTIFY_SOCKET.",
        "within_s": "Seconds within which it is ready.",
    },
    "StopFields": {
        "signal": "The name of the signal that ends it.",
        "grace_s": "Seconds after which it is killed.",
    },
    "RestartFields": {
        "budget": "The most restarts in the whole run.",
        "backoff_s": "Seconds before the first, second, ... restart.",
    },
    "LogFields": {
        "max_mb": "The largest size of one file, in millions of bytes.",
        "keep": "So many full files are kept beside the present one.",
    },
}
