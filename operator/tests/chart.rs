//! The Helm chart: it installs what `deploy/operator.yaml` does, passes on what it is told, and refuses what makes no sense.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::{Value, json};

const CHART: &str = "deploy/charts/kafka-operator";

/// The first Kubernetes that the operator runs on.
const KUBERNETES: &str = "1.34.0";

/// Labels that releases of Helm have and a manifest has not.
const OF_HELM: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Helm, which is built when it is asked for first.
fn helm() -> Command {
    static HELM: LazyLock<PathBuf> = LazyLock::new(|| {
        let script = checkout().join("e2e/kubernetes/helm.sh");
        let made = Command::new(script).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
        PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
    });
    let mut helm = Command::new(&*HELM);
    helm.current_dir(checkout());
    helm
}

/// `helm template` of a release in the namespace of `deploy/operator.yaml`.
fn template(release: &str, arguments: &[&str]) -> Output {
    let mut helm = helm();
    helm.args(["template", release, CHART, "--namespace", "kafka-operator"]);
    helm.args(["--kube-version", KUBERNETES]).args(arguments);
    helm.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Objects by kind and name.
type Objects = BTreeMap<(String, String), Value>;

fn objects(yaml: &str) -> Objects {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    documents
        .into_iter()
        .map(|object| ((text(&object["kind"]), text(&object["metadata"]["name"])), object))
        .collect()
}

fn rendered(release: &str, arguments: &[&str]) -> Objects {
    let output = template(release, arguments);
    assert!(output.status.success(), "{}", said(&output));
    objects(std::str::from_utf8(&output.stdout).unwrap())
}

fn of<'a>(objects: &'a Objects, kind: &str, name: &str) -> &'a Value {
    &objects[&(kind.to_owned(), name.to_owned())]
}

/// Without the labels by which Helm knows its own.
fn without_helm(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !OF_HELM.contains(&key.as_str()));
            map.values_mut().for_each(without_helm);
        }
        Value::Array(values) => values.iter_mut().for_each(without_helm),
        _ => {}
    }
}

#[test]
fn with_its_defaults_the_chart_installs_what_the_manifest_does() {
    let manifest = std::fs::read_to_string(checkout().join("deploy/operator.yaml")).unwrap();
    let mut wanted = objects(&manifest);
    // Helm makes the namespace of a release itself, or finds it there.
    wanted.retain(|(kind, _), _| kind != "Namespace");
    let mut found = rendered("kafka-operator", &[]);
    found.values_mut().for_each(without_helm);
    // Nothing looks at labels of objects that are no pods.
    for object in wanted.values_mut().chain(found.values_mut()) {
        object["metadata"].as_object_mut().unwrap().remove("labels");
    }
    let names = |objects: &Objects| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted));
    for ((kind, name), wanted) in &wanted {
        let found = of(&found, kind, name);
        assert!(
            found == wanted,
            "{kind} {name}\nchart: {found:#}\nmanifest: {wanted:#}"
        );
    }
}

#[test]
fn an_operator_of_one_namespace_has_rights_over_that_one() {
    let objects = rendered("kafka-operator", &["--set", "watchNamespace=kafka"]);
    let binding = of(&objects, "RoleBinding", "kafka-operator-clusters");
    assert_eq!(binding["metadata"]["namespace"], "kafka");
    assert_eq!(binding["roleRef"]["kind"], "ClusterRole");
    let everywhere: Vec<_> = objects
        .keys()
        .filter(|(kind, _)| kind == "ClusterRoleBinding")
        .collect();
    let [(_, name)] = everywhere[..] else {
        panic!("{everywhere:?}")
    };
    assert_eq!(name, "kafka-operator");
    let deployment = of(&objects, "Deployment", "kafka-operator");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(variable(container, "KAFKA_OPERATOR_NAMESPACE"), "kafka");
}

/// Every value, and none as it is by default.
fn all_values() -> Value {
    json!({
        "image": {"repository": "registry.example:5000/operator", "tag": "2", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "sidecarImage": {"repository": "registry.example:5000/sidecar"},
        "balancerImage": {"digest": format!("sha256:{}", "0".repeat(64))},
        "replicas": 2,
        "log": {"format": "text", "filter": "info,operator=debug"},
        "resources": {"limits": {"memory": "1Gi"}},
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
        "labels": {"team": "streaming"},
        "annotations": {"contact": "streaming"},
        "podLabels": {"of": "pods"},
        "podAnnotations": {"on": "pods"},
        "networkPolicy": {"enabled": false},
        "podMonitor": {"enabled": true, "interval": "30s", "labels": {"release": "prometheus"}},
    })
}

/// The name of everything in a release called `second`.
const SECOND: &str = "second-kafka-operator";

fn second(values: &Value) -> Objects {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values.to_string()).unwrap();
    rendered("second", &["--values", file.path().to_str().unwrap()])
}

#[test]
fn what_is_said_of_objects_is_in_all_of_them() {
    let objects = second(&all_values());
    for ((_, name), object) in &objects {
        let metadata = &object["metadata"];
        assert!(name.starts_with(SECOND), "{name}");
        assert_eq!(metadata["labels"]["team"], "streaming", "{name}");
        assert_eq!(metadata["annotations"]["contact"], "streaming", "{name}");
    }
    assert!(objects.keys().all(|(kind, _)| kind != "NetworkPolicy"));
    let monitor = of(&objects, "PodMonitor", SECOND);
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["interval"], "30s");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    let lease = &of(&objects, "Role", SECOND)["rules"][1];
    assert_eq!(lease["resourceNames"], json!([SECOND]));
}

#[test]
fn what_is_said_of_the_operator_reaches_its_pods() {
    let values = all_values();
    let objects = second(&values);
    let spec = &of(&objects, "Deployment", SECOND)["spec"];
    assert_eq!(spec["replicas"], 2);
    let (metadata, pod) = (&spec["template"]["metadata"], &spec["template"]["spec"]);
    assert_eq!(metadata["labels"]["of"], "pods");
    // Brokers' network policies know the operator by it.
    assert_eq!(metadata["labels"]["app.kubernetes.io/name"], "kafka-operator");
    assert_eq!(metadata["annotations"]["on"], "pods");
    // Prometheus must not find the pods twice.
    assert_eq!(metadata["annotations"]["prometheus.io/scrape"], "false");
    for field in [
        "imagePullSecrets",
        "nodeSelector",
        "tolerations",
        "affinity",
        "priorityClassName",
    ] {
        assert_eq!(pod[field], values[field], "{field}");
    }
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "registry.example:5000/operator:2");
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(container["resources"]["limits"]["memory"], "1Gi");
    let arguments = json!(["run", "--log-format", "text", "--lease", SECOND]);
    assert_eq!(container["args"], arguments);
    assert_eq!(variable(container, "RUST_LOG"), "info,operator=debug");
    let sidecar = variable(container, "KAFKA_SIDECAR_IMAGE");
    assert_eq!(sidecar, "registry.example:5000/sidecar:2");
    let balancer = variable(container, "KAFKA_BALANCER_IMAGE");
    assert_eq!(
        balancer,
        format!("krallistic/kafka-balancer@sha256:{}", "0".repeat(64))
    );
}

fn variable(container: &Value, name: &str) -> Value {
    let variables = container["env"].as_array().unwrap();
    let variable = variables.iter().find(|variable| variable["name"] == name);
    variable.unwrap()["value"].clone()
}

/// What is of no release cannot be deleted with one: the operator defines the kind, which outlives Helm with all clusters.
#[test]
fn neither_the_kind_nor_a_cluster_is_of_a_release() {
    let objects = second(&all_values());
    for kind in ["CustomResourceDefinition", "Kafkacluster"] {
        assert!(objects.keys().all(|(found, _)| found != kind), "{kind}");
    }
    assert!(!checkout().join(CHART).join("crds").exists());
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (value, part) in [
        ("replica=2", "replica"),
        ("image.name=operator", "name"),
        ("replicas=-1", "replicas"),
        ("image.digest=latest", "digest"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("log.format=xml", "format"),
        ("watchNamespace=a.b", "watchNamespace"),
        ("resources.limits.memory=much", "memory"),
        (r"labels.app\.kubernetes\.io/name=other", "propertyName"),
    ] {
        let output = template("kafka-operator", &["--set", value]);
        let said = said(&output);
        assert!(!output.status.success(), "{value} is taken");
        assert!(
            said.contains("values don't meet") && said.contains(part),
            "{value}: {said}"
        );
    }
}

#[test]
fn helm_finds_no_fault_with_the_chart() {
    let mut helm = helm();
    helm.args(["lint", "--strict", "--kube-version", KUBERNETES, CHART]);
    let output = helm.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn the_chart_has_the_version_of_the_operator() {
    let text = std::fs::read_to_string(checkout().join(CHART).join("Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&text).unwrap();
    for field in ["version", "appVersion"] {
        assert_eq!(chart[field], env!("CARGO_PKG_VERSION"), "{field}");
    }
}
