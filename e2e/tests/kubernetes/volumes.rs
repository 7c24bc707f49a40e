//! Volumes, as a StatefulSet gets them.

use e2e::Kubernetes;

use crate::Outcome;

const ROLLED_OUT: [&str; 4] = ["rollout", "status", "statefulset/three", "--timeout=120s"];

pub(crate) async fn three_pods_get_a_volume_each_in_three_zones(cluster: &Kubernetes) -> Outcome {
    cluster.apply(include_str!("three.yaml")).await?;
    cluster.kubectl(&ROLLED_OUT).await?;
    let nodes = [
        "get",
        "pods",
        "-l",
        "app=three",
        "-o",
        "jsonpath={.items[*].spec.nodeName}",
    ];
    let nodes = cluster.kubectl(&nodes).await?;
    let mut zones = Vec::new();
    for node in nodes.split(' ') {
        let zone = [
            "get",
            "node",
            node,
            "-o",
            "jsonpath={.metadata.labels.topology\\.kubernetes\\.io/zone}",
        ];
        zones.push(cluster.kubectl(&zone).await?);
    }
    zones.sort();
    assert_eq!(zones, ["zone1", "zone2", "zone3"]);
    Ok(())
}

pub(crate) async fn a_volume_outlives_its_pod(cluster: &Kubernetes) -> Outcome {
    let starts = ["exec", "three-1", "--", "cat", "/data/starts"];
    assert_eq!(cluster.kubectl(&starts).await?, "started");
    cluster.kubectl(&["delete", "pod", "three-1"]).await?;
    cluster.kubectl(&ROLLED_OUT).await?;
    assert_eq!(cluster.kubectl(&starts).await?, "started\nstarted");
    Ok(())
}

pub(crate) async fn a_volume_is_full_when_it_is_and_grows_with_its_claim(cluster: &Kubernetes) -> Outcome {
    let fill = "dd if=/dev/zero of=/data/filling bs=1M count=300";
    let write = ["exec", "three-2", "--", "sh", "-c", fill];
    let full = cluster.kubectl(&write).await;
    assert!(
        full.as_ref()
            .is_err_and(|error| error.to_string().contains("No space left on device")),
        "{full:?}"
    );

    let more = "{\"spec\": {\"resources\": {\"requests\": {\"storage\": \"1Gi\"}}}}";
    cluster
        .kubectl(&["patch", "pvc", "data-three-2", "-p", more])
        .await?;
    let grown = [
        "wait",
        "--for=jsonpath={.status.capacity.storage}=1Gi",
        "pvc/data-three-2",
        "--timeout=60s",
    ];
    cluster.kubectl(&grown).await?;
    cluster.kubectl(&write).await?;
    Ok(())
}
