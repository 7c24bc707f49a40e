"""Names what the rules lack: tests, annotations, runbooks, metrics that there are. Usage: complete.py ROOT-OF-THE-REPOSITORY"""

import pathlib
import re
import sys

import yaml

RUNBOOKS = "https://github.com/krallistic/kafka-operator/blob/main/docs/runbooks/"
SEVERITIES = {"critical", "warning", "info"}
# Where metrics are named that programs have.
NAMED_IN = ["docs/metrics.md", "balancer/src/metrics.rs", "operator/src/run/telemetry.rs"]


def main(root):
    folder = root / "deploy/prometheus"
    rules = [rule for group in load(folder / "rules.yaml")["groups"] for rule in group["rules"]]
    alerts = [rule for rule in rules if "alert" in rule]
    problems = []
    for alert in alerts:
        problems += [f"{alert['alert']}: {lack}" for lack in lacks(alert, root)]
    problems += of_tests({alert["alert"] for alert in alerts}, folder / "tests")
    problems += of_metrics(rules, root)
    problems += of_monitors(folder / "pod-monitors.yaml", root)
    problems += of_pages({page_of(alert["alert"]) for alert in alerts}, root / "docs/runbooks")
    for problem in problems:
        print(f"deploy/prometheus: {problem}", file=sys.stderr)
    return 1 if problems else 0


def load(file):
    return yaml.safe_load(file.read_text())


def page_of(alert):
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower() + ".md"


def lacks(alert, root):
    if alert.get("labels", {}).get("severity") not in SEVERITIES:
        yield f"the label severity is none of {', '.join(sorted(SEVERITIES))}"
    if "for" not in alert:
        yield "`for` is missing"
    annotations = alert.get("annotations", {})
    for name in ["summary", "description"]:
        if not annotations.get(name):
            yield f"the annotation {name} is missing"
    if "$value" not in annotations.get("description", "") and not re.search(r"== ?1\b", alert["expr"]):
        yield "the description has no value"
    page = page_of(alert["alert"])
    if annotations.get("runbook_url") != RUNBOOKS + page:
        yield f"runbook_url is not {RUNBOOKS}{page}"
    if not (root / "docs/runbooks" / page).is_file():
        yield f"docs/runbooks/{page} is missing"


def of_tests(alerts, folder):
    fires, is_quiet = set(), set()
    for file in sorted(folder.glob("*.yaml")):
        for case in (case for test in load(file)["tests"] for case in test.get("alert_rule_test", [])):
            (fires if case.get("exp_alerts") else is_quiet).add(case["alertname"])
    yield from (f"{alert}: no test in which it fires" for alert in sorted(alerts - fires))
    yield from (f"{alert}: no test in which it does not fire" for alert in sorted(alerts - is_quiet))
    yield from (f"{alert}: is tested, and is no alert" for alert in sorted((fires | is_quiet) - alerts))


def of_metrics(rules, root):
    known = {name for file in NAMED_IN for name in re.findall(r"\bkafka_\w+", (root / file).read_text())}
    known |= {rule["record"] for rule in rules if "record" in rule} | {"kafka_cluster"}
    for rule in rules:
        for name in sorted(set(re.findall(r"\bkafka_[\w:]+", rule["expr"])) - known):
            yield f"{rule.get('alert') or rule['record']}: nothing has the metric {name}"


def of_monitors(file, root):
    made = [root / "deploy/operator.yaml", *root.glob("operator/tests/golden/*/objects.yaml")]
    objects = [made for file in made for made in yaml.safe_load_all(file.read_text()) if made]
    pods = [made["spec"]["template"] for made in objects if made["kind"] in {"StatefulSet", "Deployment"}]
    for monitor in yaml.safe_load_all(file.read_text()):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        ports = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
        found = [pod for pod in pods if wanted <= pod["metadata"]["labels"].items() and ports <= ports_of(pod)]
        if not found:
            yield f"pod-monitors.yaml: no pod has the labels and the port of {monitor['metadata']['name']}"


def ports_of(pod):
    return {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}


def of_pages(pages, folder):
    index = (folder / "README.md").read_text() if (folder / "README.md").is_file() else ""
    there = {file.name for file in folder.glob("*.md")} - {"README.md"}
    yield from (f"docs/runbooks/{page} is of no alert" for page in sorted(there - pages))
    yield from (f"docs/runbooks/README.md does not link {page}" for page in sorted(pages) if f"]({page})" not in index)


sys.exit(main(pathlib.Path(sys.argv[1])))
