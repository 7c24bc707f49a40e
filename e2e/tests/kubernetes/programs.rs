//! The project's own images.

use e2e::Kubernetes;

use crate::Outcome;

/// A Job that may do as little as the operator's pods.
fn job(name: &str, program: &str, command: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      securityContext: {{runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: c
          image: krallistic/{program}:{version}
          {command}
          securityContext: {{readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
          volumeMounts: [{{name: agent, mountPath: /agent}}]
      volumes: [{{name: agent, emptyDir: {{}}}}]
"
    )
}

async fn logs_of_finished(cluster: &Kubernetes, name: &str) -> Result<String, Box<dyn std::error::Error>> {
    let job = format!("job/{name}");
    let complete = ["wait", "--for=condition=Complete", &job, "--timeout=60s"];
    cluster.kubectl(&complete).await?;
    Ok(cluster.kubectl(&["logs", &job]).await?)
}

pub(crate) async fn the_images_of_the_programs_start_as_restricted_pods(cluster: &Kubernetes) -> Outcome {
    for program in ["kafka-operator", "kafka-sidecar", "kafka-balancer"] {
        cluster.apply(&job(program, program, "args: [--version]")).await?;
        let said = logs_of_finished(cluster, program).await?;
        assert_eq!(said, format!("{program} {}", env!("CARGO_PKG_VERSION")));
    }
    Ok(())
}

pub(crate) async fn the_image_of_the_sidecar_gives_a_broker_the_agent(cluster: &Kubernetes) -> Outcome {
    let copy = "command: [cp, -v, /opt/jolokia/jolokia-agent.jar, /agent/agent.jar]";
    cluster.apply(&job("agent", "kafka-sidecar", copy)).await?;
    let said = logs_of_finished(cluster, "agent").await?;
    assert!(said.contains("/agent/agent.jar"), "{said}");
    Ok(())
}
