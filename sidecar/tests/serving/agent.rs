//! A Jolokia agent that can be told to misbehave, which a real one cannot. Otherwise it answers what one beside Kafka 4.3.1
//! did.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use sidecar::config::JolokiaConfig;
use sidecar::jmx;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ANSWER: &str = include_str!("../data/jolokia-kafka-4.3.1.json");

/// How the agent treats who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It answers; each time a thousand bytes more have come for the topic `orders`.
    Honest,
    /// It takes the request and says nothing.
    Hangs,
    /// It sends a byte now and then.
    Trickles,
    /// It hangs up.
    HangsUp,
    /// It hangs up where it is asked for what is read now and then.
    TellsNoDetail,
    /// It answers with this status of HTTP.
    Refuses(u16),
    /// It breaks off in the middle of the answer.
    Truncated,
    /// It sends more than anybody needs, and does not say how much.
    Endless,
    /// It says that it will send more than anybody needs.
    Huge,
    /// Text and lists where numbers are due.
    WrongTypes,
    /// Nothing where numbers are due, as NaN comes.
    Nulls,
    /// A refusal inside a good answer.
    RefusesInside(u16),
    /// It answers, but refuses to tell of topics.
    RefusesTopics,
    /// Each read has nothing.
    NotFound,
    /// So many topics, each with a partition that grows.
    Crowded(usize),
}

/// The agent, on a port of its own.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) config: JolokiaConfig,
    state: Arc<Mutex<State>>,
}

struct State {
    manner: Manner,
    /// The value of `Authorization` that it asks for.
    authorization: Option<String>,
    answers: u64,
    started_at_ms: u64,
}

impl Agent {
    pub(crate) async fn open(manner: Manner) -> Self {
        Self::open_with(manner, None).await
    }

    pub(crate) async fn open_with(manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/jolokia/", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            manner,
            authorization: None,
            answers: 0,
            started_at_ms: 1_795_490_563_308,
        }));
        let agent = Self {
            config: JolokiaConfig::new(url.parse().unwrap()),
            state,
        };
        let serving = agent.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (agent, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => agent.meet(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => agent.meet(stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        agent
    }

    pub(crate) fn becomes(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    pub(crate) fn asks_for(&self, authorization: &str) {
        self.state.lock().unwrap().authorization = Some(authorization.to_owned());
    }

    /// The broker has been started again: its counters are at 0.
    pub(crate) fn restarts(&self) {
        let mut state = self.state.lock().unwrap();
        state.answers = 0;
        state.started_at_ms += 60_000;
    }

    /// Serves one request; nothing is left to do for one who broke off.
    async fn meet(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let (head, body) = read_request(&mut stream).await?;
        let manner = {
            let state = self.state.lock().unwrap();
            let wanted = state.authorization.as_ref();
            match wanted.is_none_or(|wanted| head.contains(wanted)) {
                true => state.manner,
                false => Manner::Refuses(401),
            }
        };
        let head = |status: u16, length: &str| {
            format!("HTTP/1.1 {status} So\r\nContent-Type: text/plain\r\nConnection: close\r\n{length}\r\n")
        };
        let answer = || head(200, "") + &self.answer(&body, manner).to_string();
        match manner {
            Manner::Hangs => std::future::pending().await,
            Manner::HangsUp => return None,
            Manner::TellsNoDetail if String::from_utf8_lossy(&body).contains("type=Threading") => {
                return None;
            }
            Manner::Refuses(status) => stream.write_all(head(status, "").as_bytes()).await.ok()?,
            Manner::Huge => {
                let length = format!("Content-Length: {}\r\n", 17 * 1024 * 1024);
                stream.write_all(head(200, &length).as_bytes()).await.ok()?;
                std::future::pending().await
            }
            Manner::Endless => {
                stream.write_all(head(200, "").as_bytes()).await.ok()?;
                loop {
                    stream.write_all(&[b' '; 64 * 1024]).await.ok()?;
                }
            }
            Manner::Trickles => {
                for byte in answer().bytes() {
                    stream.write_all(&[byte]).await.ok()?;
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            }
            Manner::Truncated => {
                let answer = answer();
                stream
                    .write_all(&answer.as_bytes()[..answer.len() / 2])
                    .await
                    .ok()?;
            }
            _ => stream.write_all(answer().as_bytes()).await.ok()?,
        }
        stream.shutdown().await.ok()
    }

    fn answer(&self, body: &[u8], manner: Manner) -> Value {
        let mut state = self.state.lock().unwrap();
        state.answers += 1;
        if let Manner::RefusesInside(status) = manner {
            return json!({"status": status, "error": "not for you"});
        }
        let asked: Vec<Value> = serde_json::from_slice(body).unwrap();
        let recorded: Vec<Value> = serde_json::from_str(ANSWER).unwrap();
        let recorded: Map<String, Value> = jmx::reads(true)
            .iter()
            .map(|read| read.mbean.to_owned())
            .zip(recorded)
            .collect();
        let answers = asked.iter().map(|read| {
            let mbean = read["mbean"].as_str().unwrap();
            let mut answer = match recorded.get(mbean) {
                Some(recorded) => recorded.clone(),
                None if mbean.ends_with("ClusterId") => {
                    json!({"status": 200, "value": {"Value": "recorded"}})
                }
                None => json!({"status": 404}),
            };
            match manner {
                Manner::NotFound => {
                    return json!({"status": 404, "error": "javax.management.InstanceNotFoundException"});
                }
                Manner::RefusesTopics if mbean.contains("topic=*") => {
                    return json!({"status": 403, "error": "not for you"});
                }
                Manner::WrongTypes => spoil(&mut answer, &json!([{"a": "number?"}])),
                Manner::Nulls => spoil(&mut answer, &Value::Null),
                Manner::Crowded(topics) if mbean.contains("topic=*") => return state.crowd(mbean, topics),
                _ => state.count(mbean, &mut answer),
            }
            answer
        });
        Value::Array(answers.collect())
    }
}

impl State {
    /// Puts in what has come since the start.
    fn count(&self, mbean: &str, answer: &mut Value) {
        let bytes = json!(self.answers * 1000);
        for name in ["BytesInPerSec", "BytesOutPerSec"] {
            for suffix in ["", ",topic=orders"] {
                let bean = format!("kafka.server:type=BrokerTopicMetrics,name={name}{suffix}");
                if let Some(bean) = answer["value"].get_mut(&bean) {
                    bean["Count"] = bytes.clone();
                }
            }
        }
        if mbean == "java.lang:type=Runtime" {
            answer["value"]["StartTime"] = json!(self.started_at_ms);
        }
    }

    fn crowd(&self, mbean: &str, topics: usize) -> Value {
        let grown = self.answers * 1000;
        let value = match mbean {
            _ if mbean.contains("ReplicasCount") => 1,
            _ if mbean.contains("Isr") || mbean.contains("LogStartOffset") => 0,
            _ => grown,
        };
        let beans = (0..topics).map(|topic| {
            let name = mbean.replace("topic=*", &format!("topic=crowd-{topic}"));
            let name = name.replace("partition=*", "partition=0");
            (name, json!({"Count": value, "Value": value}))
        });
        json!({"status": 200, "value": beans.collect::<Map<_, _>>()})
    }
}

/// Puts something else in the place of each number.
fn spoil(value: &mut Value, with: &Value) {
    match value {
        Value::Object(fields) => {
            let kept = |name: &str| ["status", "timestamp"].contains(&name);
            fields
                .iter_mut()
                .filter(|(name, _)| !kept(name))
                .for_each(|(_, value)| spoil(value, with));
        }
        Value::Number(_) => *value = with.clone(),
        _ => {}
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        stream
            .read_buf(&mut read)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let length = head.to_lowercase();
        let length = length
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if read.len() >= end + 4 + length {
            return Some((head, read[end + 4..end + 4 + length].to_vec()));
        }
    }
}
