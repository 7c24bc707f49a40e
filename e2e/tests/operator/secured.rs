//! A cluster with TLS and users, and brokers that get more while they run.

use std::path::Path;

use e2e::scene::Outcome;
use e2e::stack::connection_to;
use kafka::client::KafkaCluster;
use kafka::connection::{Sasl, SaslMechanism, Security, Tls};
use kafka::{Cluster, ClusterError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::installed::Installed;

const MANIFEST: &str = "
apiVersion: krallistic.github.com/v1
kind: Kafkacluster
metadata: {name: secured}
spec:
  brokerCount: 1
  controllerCount: 1
  storageClass: emptyDir
  resources: {cpu: 200m, memory: 800Mi}
  listeners:
    tls: {secretName: secured-tls}
    external: {firstNodePort: 31400}
    sasl: {users: [{name: alice, passwordSecret: {name: alice}}]}
";

/// Whoever may connect, and with what.
struct Client {
    folder: TempDir,
    bootstrap: String,
}

pub(crate) async fn only_users_get_in_and_brokers_get_more_while_they_run(
    operator: &Installed<'_>,
) -> Outcome {
    let folder = TempDir::with_prefix("secured")?;
    certify(operator, folder.path()).await?;
    operator.cluster.apply(MANIFEST).await?;
    operator
        .until("the missing password is named", async |operator| {
            let trouble = operator.condition("secured", "Degraded", "True").await?;
            Ok(trouble.is_some_and(|message| message.contains("alice")))
        })
        .await?;
    give_password(operator, "first").await?;
    operator.until_settled("secured", 1).await?;
    let bootstrap = operator.external_bootstrap("secured").await?;
    let client = Client { folder, bootstrap };
    let lets_in = async |password: &str| client.is_let_in(password).await;
    operator
        .until("alice gets in", async |_| lets_in("first").await)
        .await?;
    operator
        .until("another password is refused", async |_| {
            Ok(!lets_in("second").await?)
        })
        .await?;

    // A Secret is read in its turn within minutes, and at once when the spec changes.
    give_password(operator, "second").await?;
    resize(operator).await?;
    operator
        .until("alice gets in with another password", async |_| {
            lets_in("second").await
        })
        .await?;
    operator
        .until("the old password is refused", async |_| {
            Ok(!lets_in("first").await?)
        })
        .await?;
    operator.type_in(&["delete", "kafkacluster", "secured"]).await?;
    operator.nothing_is_left("secured").await
}

/// More CPU, without another pod.
async fn resize(operator: &Installed<'_>) -> Outcome {
    let pod = async |operator: &Installed<'_>| operator.get(&["pod", "secured-0"]).await;
    let before = pod(operator).await?["metadata"]["uid"].clone();
    let more = "{\"spec\": {\"resources\": {\"cpu\": \"300m\"}}}";
    operator
        .type_in(&["patch", "kafkacluster", "secured", "--type=merge", "-p", more])
        .await?;
    operator
        .until("the broker has more CPU", async |operator| {
            let statuses = pod(operator).await?["status"]["containerStatuses"].clone();
            let kafka = statuses
                .as_array()
                .into_iter()
                .flatten()
                .find(|status| status["name"] == "kafka");
            Ok(kafka.is_some_and(|status| status["resources"]["requests"]["cpu"] == "300m"))
        })
        .await?;
    operator.until_settled("secured", 1).await?;
    assert_eq!(pod(operator).await?["metadata"]["uid"], before, "it was replaced");
    Ok(())
}

/// Makes the Secret with a certificate for all names of the cluster and all nodes.
async fn certify(operator: &Installed<'_>, folder: &Path) -> Outcome {
    let mut names: Vec<String> = ["secured", "*.secured", "*.secured-controller"]
        .map(|host| format!("{host}.default.svc"))
        .to_vec();
    names.push("localhost".to_owned());
    let nodes = operator.get(&["nodes"]).await?;
    for node in nodes["items"].as_array().into_iter().flatten() {
        let addresses = node["status"]["addresses"].as_array().into_iter().flatten();
        names.extend(addresses.filter_map(|address| address["address"].as_str().map(str::to_owned)));
    }
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    let mut arguments = ["create", "secret", "generic", "secured-tls"]
        .map(str::to_owned)
        .to_vec();
    let files = [
        ("ca.crt", issuer.pem()),
        ("tls.crt", certificate.pem()),
        ("tls.key", key.serialize_pem()),
    ];
    for (name, pem) in files {
        let file = folder.join(name);
        std::fs::write(&file, pem)?;
        arguments.push(format!("--from-file={}", file.display()));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    operator.cluster.kubectl(&arguments).await?;
    Ok(())
}

async fn give_password(operator: &Installed<'_>, password: &str) -> Outcome {
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: alice}}\nstringData: {{password: {password}}}\n"
    );
    Ok(operator.cluster.apply(&secret).await?)
}

impl Client {
    async fn is_let_in(&self, password: &str) -> Outcome<bool> {
        let file = self.folder.path().join("password");
        std::fs::write(&file, password)?;
        let mut settings = connection_to(&self.bootstrap)?;
        settings.security = Security::SaslSsl {
            sasl: Sasl {
                mechanism: SaslMechanism::ScramSha512,
                user: "alice".to_owned(),
                password_file: file,
            },
            tls: Tls {
                ca_file: Some(self.folder.path().join("ca.crt")),
                identity: None,
            },
        };
        match KafkaCluster::new(settings).describe().await {
            Ok(_) => Ok(true),
            Err(ClusterError::Authentication { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
