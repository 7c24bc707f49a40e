mod compaction;
mod golden;
mod size;

use kafka::simulated::{Fault, Operation, SimulatedLog};
use proptest::prelude::*;

use super::*;
use kafka::ids::{BrokerId, TopicName, TopicPartition};

fn broker(id: i32) -> BrokerId {
    BrokerId::try_from(id).unwrap()
}

fn topic() -> impl Strategy<Value = TopicName> {
    "[a-c]\\.[xy]".prop_map(|name| name.parse().unwrap())
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Leader), Just(Direction::Follower)]
}

fn record() -> impl Strategy<Value = Record> {
    let stamp = (0..9_u64).prop_map(Timestamp);
    prop_oneof![
        prop_oneof![Just(Mode::Observe), Just(Mode::Auto)].prop_map(Record::Mode),
        (0..3, proptest::option::of(stamp.clone())).prop_map(|(id, at)| {
            let drain = at.map(|asked_at| Drain {
                asked_at,
                empty_since: None,
            });
            Record::Drain(broker(id), drain)
        }),
        (0..3, direction(), proptest::option::of(0..9_u64)).prop_map(|(id, way, rate)| {
            let throttle = rate.map(|rate| BrokerThrottle {
                before: (rate % 2 == 0).then(|| rate.to_string()),
                written: vec![rate],
                at: Timestamp(rate),
                yielded: false,
                lifted: false,
            });
            Record::BrokerThrottle(broker(id), way, throttle)
        }),
        (topic(), direction(), proptest::option::of(0..9_i32)).prop_map(|(name, way, id)| {
            let throttle = id.map(|id| TopicThrottle {
                topic_id: [7; 16],
                present_before: id % 2 == 0,
                entries: vec![format!("0:{id}")],
                over: vec![format!("1:{id}")],
                at: Timestamp(1),
            });
            Record::TopicThrottle(name, way, throttle)
        }),
        (0..3_u64, 0..3_u32, proptest::option::of((topic(), stamp.clone()))).prop_map(|(plan, place, at)| {
            let progress = at.map(|(name, since)| MoveProgress {
                change: crate::plan::Move {
                    partition: TopicPartition::new(name, 0.try_into().unwrap()),
                    topic_id: [7; 16],
                    from: vec![broker(0)],
                    from_leader: None,
                    to: vec![broker(1)],
                    reason: "it is hot".to_owned(),
                    bytes: 1,
                    gain: 0.1,
                    expected_seconds: 1e-3,
                },
                state: MoveState::Asked { since },
                asked_at: Some(since),
            });
            Record::Move(PlanId(plan), place, progress)
        }),
        (0..3_u64, proptest::option::of(stamp.clone())).prop_map(|(plan, at)| {
            let head = at.map(|at| PlanHead {
                phase_since: at,
                ..golden::head(crate::plan::Purpose::Cool, Phase::Paused)
            });
            Record::Plan(PlanId(plan), head)
        }),
        (topic(), proptest::option::of(stamp)).prop_map(|(name, at)| {
            let cool = at.map(|since| CoolDown {
                since,
                left: vec![broker(1)],
            });
            Record::CoolDown(TopicPartition::new(name, 3.try_into().unwrap()), cool)
        }),
    ]
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    /// After each write, lost or not, a successor that opens the log knows what the writer knew.
    #[test]
    fn any_prefix_of_writes_replays_to_the_state_at_that_point(
        batches in proptest::collection::vec(proptest::collection::vec(record(), 1..4), 1..12),
        lost in proptest::collection::vec(any::<bool>(), 12),
    ) {
        run(async {
            let log = SimulatedLog::default();
            let mut expected = ExecutionState::default();
            let mut journal = Journal::open(&log).await.unwrap();
            for (batch, lost) in batches.into_iter().zip(lost) {
                log.inject(move |operation| {
                    (lost && operation == Operation::Append).then_some(Fault::Lost)
                });
                for record in batch.clone() {
                    expected.apply(record);
                }
                assert_eq!(journal.record(batch).await.is_err(), lost);
                log.inject_nothing();
                if lost {
                    journal.record(Vec::new()).await.unwrap();
                }
                assert_eq!(journal.state(), &expected);
                journal = Journal::open(&log).await.unwrap();
                assert_eq!(journal.state(), &expected);
                assert!(journal.skipped().is_empty());
            }
        });
    }

    #[test]
    fn no_record_however_broken_stops_a_start(
        key in "[a-z/0-9.]{0,30}|(plan|move/1|throttle/broker/1)/[a-z0-9]{1,8}|mode|usage|drain/1",
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60)),
    ) {
        let _ = Record::from_entry(&Entry { key, value });
    }
}

#[test]
fn a_record_of_a_newer_version_is_named_and_left_alone_until_its_key_is_written_again() {
    run(async {
        let log = SimulatedLog::default();
        let (mut writer, _) = kafka::CompactedLog::open(&log).await.unwrap();
        let entry = |key: &str, value: &str| Entry {
            key: key.to_owned(),
            value: Some(value.into()),
        };
        let later = entry("drain/1", r#"{"version":4,"whom":[1]}"#);
        let broken = entry("plan/7", "{");
        let unknown = entry("wish/7", "{}");
        let good = entry("mode", r#"{"version":1,"body":"auto"}"#);
        writer
            .append(vec![later.clone(), broken.clone(), unknown.clone(), good])
            .await
            .unwrap();
        let mut journal = Journal::open(&log).await.unwrap();
        assert_eq!(journal.state().mode, Some(Mode::Auto));
        let named: Vec<&str> = journal
            .skipped()
            .iter()
            .map(|skipped| skipped.key.as_str())
            .collect();
        assert_eq!(named, ["drain/1", "plan/7", "wish/7"]);
        for (skipped, words) in journal.skipped().iter().zip([
            "its version is 4, this program knows versions up to 3; update the balancer, or delete it",
            "it cannot be read (EOF while parsing an object at line 1 column 1); delete it",
            "this program knows no such key; update the balancer if a newer one wrote it, or delete it",
        ]) {
            assert!(skipped.to_string().contains(words), "{skipped}");
        }
        for left in [later, broken, unknown] {
            assert!(log.entries().contains(&left));
        }
        journal
            .record(vec![Record::Drain(broker(1), None)])
            .await
            .unwrap();
        let left = journal.skipped().iter().map(|skipped| skipped.key.as_str());
        assert_eq!(left.collect::<Vec<_>>(), ["plan/7", "wish/7"]);
    });
}
