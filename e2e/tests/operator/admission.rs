//! What the API server itself refuses.

use e2e::Kubernetes;
use e2e::scene::Outcome;

/// Fields of a spec beside `brokerCount: 3`, and by what name their error has to call them.
const WRONG: [(&str, &str); 22] = [
    ("brokerCount: 0", "spec.brokerCount"),
    ("brokerCount: three", "spec.brokerCount"),
    ("brokerCount: 1001", "spec.brokerCount"),
    ("image: ''", "spec.image"),
    ("controllerCount: 2", "spec.controllerCount"),
    ("{controllerCount: 3, zookeeperConnect: zk}", "controllerCount"),
    ("resources: {cpu: lots}", "spec.resources.cpu"),
    ("resources: {memory: -1Gi}", "spec.resources.memory"),
    ("resources: {diskSpace: big}", "spec.resources.diskSpace"),
    ("volumeDeletionPolicy: Burn", "spec.volumeDeletionPolicy"),
    ("minimumGracePeriod: -1", "spec.minimumGracePeriod"),
    ("leaderImbalanceRatio: 1.5", "spec.leaderImbalanceRatio"),
    ("leaderImbalanceInterval: 0", "spec.leaderImbalanceInterval"),
    ("nodeSelector: [ssd]", "spec.nodeSelector"),
    ("topics: [{partitions: 1}]", "spec.topics[0].name"),
    ("topics: [{name: a, partitions: 0}]", "spec.topics[0].partitions"),
    ("topics: [{name: a}, {name: a}]", "spec.topics[1]"),
    (
        "kafkaOptions: {compressionType: rar}",
        "spec.kafkaOptions.compressionType",
    ),
    ("listeners: {external: {firstNodePort: 80}}", "firstNodePort"),
    ("listeners: {sasl: {users: []}}", "spec.listeners.sasl.users"),
    ("balancer: {mode: wild}", "spec.balancer.mode"),
    ("jmxSidecar: maybe", "spec.jmxSidecar"),
];

fn object(name: &str, fields: &str) -> Outcome<String> {
    let fields = fields
        .trim_start_matches('{')
        .trim_end_matches(|c| c == '}' && fields.starts_with('{'));
    let count = if fields.starts_with("brokerCount") {
        ""
    } else {
        "brokerCount: 3, "
    };
    Ok(format!(
        "apiVersion: krallistic.github.com/v1\nkind: Kafkacluster\nmetadata: {{name: {name}}}\n\
         spec: {{{count}{fields}}}\n"
    ))
}

pub(crate) async fn every_wrong_spec_is_refused(cluster: &Kubernetes) -> Outcome {
    for (fields, named) in WRONG {
        refused(cluster, &object("wrong", fields)?, named).await?;
    }
    refused(cluster, &object("a.b", "")?, "host name").await?;
    changes(cluster).await
}

/// What can be said of a new cluster and not of an old one.
async fn changes(cluster: &Kubernetes) -> Outcome {
    cluster
        .apply(&object("right", "resources: {diskSpace: 10Gi}")?)
        .await?;
    let changed = [
        ("zookeeperConnect: zk", "zookeeperConnect"),
        ("controllerCount: 5", "controllerCount"),
        ("storageClass: other", "storageClass"),
        ("resources: {diskSpace: 5Gi}", "resources.diskSpace"),
    ];
    for (fields, named) in changed {
        refused(cluster, &object("right", fields)?, named).await?;
    }
    cluster
        .apply(&object("right", "resources: {diskSpace: 20Gi}")?)
        .await?;
    Ok(())
}

async fn refused(cluster: &Kubernetes, object: &str, named: &str) -> Outcome {
    // As users apply, who do not know of server-side apply, which words some of it otherwise.
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), object)?;
    let path = file.path().display().to_string();
    match cluster.kubectl(&["apply", "-f", &path]).await {
        Ok(_) => Err(format!("this was taken:\n{object}").into()),
        Err(error) if error.to_string().contains(named) => Ok(()),
        Err(error) => Err(format!("this names no `{named}`:\n{object}{error}").into()),
    }
}
