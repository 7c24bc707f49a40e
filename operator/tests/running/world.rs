//! A Kubernetes, a Kafka and a balancer in memory, that go together: pods run brokers, and drains move replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balancer::api::view::{Phase, ReplicationView, State};
use balancer::client::{ClientError, Token};
use balancer::journal::Mode;
use futures::StreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use k8s_openapi::ByteString;
use kafka::connection::ConnectionSettings;
use kafka::ids::BrokerId;
use kafka::simulated::{SimulatedBroker, SimulatedCluster};
use kafka::{Cluster as _, ReplicationFactor, TopicName, TopicPartition};
use kube::Client;
use kube::client::Body;
use operator::build::Installation;
use operator::cluster::Cluster;
use operator::crd::Kafkacluster;
use operator::decide::BalancerOrder;
use operator::run::{Clients, Operator};
use serde_json::{Value, json};

use crate::api_server::ApiServer;

const CLUSTERS: &str = "apis/krallistic.github.com/v1/namespaces/n/kafkaclusters";
pub(crate) const SETS: &str = "apis/apps/v1/namespaces/n/statefulsets";
const PODS: &str = "api/v1/namespaces/n/pods";

/// How many brokers a test can have.
const MOST: u16 = 8;

pub(crate) struct World {
    pub(crate) api: ApiServer,
    pub(crate) kafka: SimulatedCluster,
    pub(crate) operator: Operator<Simulated>,
    balancer: Arc<Mutex<State>>,
    /// Brokers whose pods are gone, and have not been made anew yet.
    away: Mutex<BTreeSet<u16>>,
}

/// Clients that reach the world's Kafka and balancer.
pub(crate) struct Simulated {
    kafka: SimulatedCluster,
    balancer: Arc<Mutex<State>>,
}

impl Clients for Simulated {
    type Kafka = SimulatedCluster;

    fn kafka(&self, _: ConnectionSettings) -> SimulatedCluster {
        self.kafka.clone()
    }

    async fn balancer_state(&self, _: &Cluster) -> Result<State, ClientError> {
        Ok(self.balancer.lock().unwrap().clone())
    }

    async fn order(
        &self,
        _: &Cluster,
        token: Option<Token>,
        order: &BalancerOrder,
    ) -> Result<(), ClientError> {
        assert!(token.is_some(), "an order without a token");
        let state = &mut *self.balancer.lock().unwrap();
        match order {
            BalancerOrder::Drain(brokers) => state.draining.extend(brokers),
            BalancerOrder::Undrain(brokers) => state.draining.retain(|broker| !brokers.contains(broker)),
            BalancerOrder::Replicate(topics) => {
                let view = |(topic, replicas): (&TopicName, &ReplicationFactor)| ReplicationView {
                    topic: topic.clone(),
                    replicas: *replicas,
                    partitions_left: 0,
                    asked_at_ms: 0,
                };
                state.replicating = topics.iter().map(view).collect();
            }
        }
        Ok(())
    }
}

impl World {
    /// A world with a Kafkacluster of this spec.
    pub(crate) fn new(spec: Value) -> Self {
        let api = ApiServer::default();
        let all = (0..MOST).map(|id| SimulatedBroker::new(id.into()));
        let kafka = SimulatedCluster::new(all);
        (0..MOST).for_each(|id| kafka.stop_broker(id.into()));
        let balancer = Arc::new(Mutex::new(State {
            mode: Mode::Auto,
            phase: Phase::Watching,
            ..State::default()
        }));
        let clients = Simulated {
            kafka: kafka.clone(),
            balancer: Arc::clone(&balancer),
        };
        let installation = Installation::default();
        let (operator, triggers) = Operator::new(
            client_of(&api),
            &client_of(&api),
            None,
            clients,
            installation,
            "/nowhere".into(),
        );
        tokio::spawn(triggers.for_each(|_| std::future::ready(())));
        let object = json!({
            "apiVersion": "krallistic.github.com/v1",
            "kind": "Kafkacluster",
            "metadata": {"name": "c", "namespace": "n", "uid": "u", "generation": 1},
            "spec": spec,
        });
        api.state().put(format!("{CLUSTERS}/c"), object);
        Self {
            api,
            kafka,
            operator,
            balancer,
            away: Mutex::default(),
        }
    }

    pub(crate) fn object(&self) -> Kafkacluster {
        let state = self.api.state();
        serde_json::from_value(state.objects[&format!("{CLUSTERS}/c")].clone()).unwrap()
    }

    /// Puts a password into a Secret.
    pub(crate) fn put_password(&self, secret: &str, password: &str) {
        let password = ByteString(password.as_bytes().to_vec());
        let object = json!({"metadata": {"name": secret, "namespace": "n"}, "data": {"password": password}});
        let key = format!("api/v1/namespaces/n/secrets/{secret}");
        self.api.state().put(key, object);
    }

    /// Changes a part of the spec.
    pub(crate) fn specify(&self, part: &str, value: Value) {
        let mut state = self.api.state();
        let mut object = state.objects[&format!("{CLUSTERS}/c")].clone();
        object["spec"][part] = value;
        state.put(format!("{CLUSTERS}/c"), object);
    }

    /// Lets the operator look, when watches have told it all that has happened, and returns when it wants to look again.
    pub(crate) async fn look(&self) -> Duration {
        // Time that stands still goes on when nobody has anything to do.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.operator.reconcile(&self.object()).await.unwrap()
    }

    /// Lets the operator look at what it cannot make be as it should.
    pub(crate) async fn fail(&self) -> String {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let failed = self.operator.reconcile(&self.object()).await;
        failed.unwrap_err().to_string()
    }

    /// Lets the operator look, then everybody else do what follows, until `done` or for far longer than that takes.
    pub(crate) async fn until(&self, done: impl Fn(&Kafkacluster) -> bool) {
        for _ in 0..200 {
            if done(&self.object()) {
                return;
            }
            self.look().await;
            self.stateful_sets();
            self.drain().await;
            self.replicate().await;
            tokio::time::advance(Duration::from_secs(12)).await;
        }
        panic!("{:#?}", self.object().status);
    }

    /// What the controller of StatefulSets and kubelets do: pods are there and ready, or gone, and their brokers with them.
    /// A pod that was deleted is away for a step, which is longer than Kafka takes to notice.
    fn stateful_sets(&self) {
        let mut state = self.api.state();
        let sets = state.objects.range(format!("{SETS}/")..format!("{SETS}0"));
        let sets: Vec<Value> = sets.map(|(_, set)| set.clone()).collect();
        let mut away = self.away.lock().unwrap();
        for set in sets {
            let name = set["metadata"]["name"].as_str().unwrap();
            let replicas = u16::try_from(set["spec"]["replicas"].as_u64().unwrap()).unwrap();
            let is_broker = !name.ends_with("controller");
            for number in 0..MOST {
                let key = format!("{PODS}/{name}-{number}");
                if number >= replicas {
                    state.remove(&key);
                }
                if state.objects.contains_key(&key) {
                    continue;
                }
                if is_broker && away.insert(number) {
                    self.kafka.stop_broker(number.into());
                } else if number < replicas {
                    state.put(key, pod(&set, &format!("{name}-{number}")));
                    if is_broker {
                        away.remove(&number);
                        self.kafka.start_broker(number.into());
                    }
                }
            }
        }
    }

    /// What the balancer does with an order of replicas, one partition in each step.
    async fn replicate(&self) {
        let orders = self.balancer.lock().unwrap().replicating.clone();
        let description = self.kafka.describe().await.unwrap();
        let alive: Vec<BrokerId> = description.brokers.iter().map(|broker| broker.id).collect();
        for order in orders {
            let mut topics = description.topics.iter();
            let topic = topics.find(|topic| topic.name == order.topic).unwrap();
            let wanted = order.replicas.get();
            let mut left = topic
                .partitions
                .iter()
                .filter(|partition| partition.replicas.len() != wanted);
            let Some(partition) = left.next() else {
                self.balancer.lock().unwrap().replicating.clear();
                continue;
            };
            let more = alive.iter().filter(|broker| !partition.replicas.contains(broker));
            let target = partition
                .replicas
                .iter()
                .chain(more)
                .take(wanted)
                .copied()
                .collect();
            let name = TopicPartition::new(topic.name.clone(), partition.id);
            self.kafka.reassign(&[(name, target)]).await.unwrap();
        }
    }

    /// What the balancer does, at once.
    async fn drain(&self) {
        let draining = self.balancer.lock().unwrap().draining.clone();
        let description = self.kafka.describe().await.unwrap();
        let alive: Vec<BrokerId> = description.brokers.iter().map(|broker| broker.id).collect();
        let mut targets = Vec::new();
        for topic in &description.topics {
            for partition in &topic.partitions {
                if partition
                    .replicas
                    .iter()
                    .any(|replica| draining.contains(replica))
                {
                    let stays = partition
                        .replicas
                        .iter()
                        .filter(|replica| !draining.contains(replica));
                    let more = alive
                        .iter()
                        .filter(|broker| !draining.contains(broker) && !partition.replicas.contains(broker));
                    let target = stays
                        .chain(more)
                        .take(partition.replicas.len())
                        .copied()
                        .collect();
                    targets.push((TopicPartition::new(topic.name.clone(), partition.id), target));
                }
            }
        }
        self.kafka.reassign(&targets).await.unwrap();
    }
}

/// A client of an API server.
fn client_of(server: &ApiServer) -> Client {
    let server = server.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = server.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let (status, answer) = server.answer(&parts, &body);
            let frames = answer.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes.into())));
            let mut response = Response::new(StreamBody::new(frames));
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    });
    Client::new(service, "default")
}

fn pod(set: &Value, name: &str) -> Value {
    let mut pod = set["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["namespace"] = json!("n");
    pod["spec"]["nodeName"] = json!("node");
    pod["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    pod
}

/// The status of each condition.
pub(crate) fn conditions(object: &Kafkacluster) -> BTreeMap<String, String> {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions
        .map(|condition| (condition.type_.clone(), condition.status.clone()))
        .collect()
}
