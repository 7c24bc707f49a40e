//! Numbers of replicas that somebody orders.

use std::collections::{BTreeSet, HashSet};

use kafka::ids::PartitionId;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

/// A broker's rack and state.
type Host = (u8, BrokerState);

/// A partition's replicas, those of them that are not in sync, and its leader.
#[derive(Debug, Clone)]
struct Row {
    replicas: Vec<usize>,
    lagging: Vec<usize>,
    leader: Option<usize>,
}

fn id(broker: usize) -> BrokerId {
    i32::try_from(broker).unwrap().try_into().unwrap()
}

fn ids(brokers: &[usize]) -> Vec<BrokerId> {
    brokers.iter().copied().map(id).collect()
}

fn model(hosts: &[Host], rows: &[Row], load: PartitionLoad) -> Model {
    model_with_room(hosts, rows, load, |_| None)
}

fn model_with_room(
    hosts: &[Host],
    rows: &[Row],
    load: PartitionLoad,
    room: impl Fn(usize) -> Option<f64>,
) -> Model {
    let mut builder = Builder::default();
    for (number, (rack, state)) in hosts.iter().enumerate() {
        builder.broker(Broker {
            id: id(number),
            rack: Some(format!("r{rack}").into()),
            state: *state,
            capacity: PerResource::splat(100.0),
            room: room(number),
            excluded: false,
        });
    }
    let name: TopicName = "t".parse().unwrap();
    let topic = builder.topic(&name, || Topic {
        name: name.clone(),
        id: [0; 16],
        excluded: true,
    });
    for (number, row) in (0_i32..).zip(rows) {
        let row = PartitionRow {
            topic,
            number: PartitionId::try_from(number).unwrap(),
            leader: row.leader.map(id),
            replicas: &ids(&row.replicas),
            lagging: &ids(&row.lagging),
            load,
            immovable: row.leader.is_none(),
        };
        builder.partition(&row).unwrap();
    }
    builder.build().unwrap()
}

fn ordered(model: &Model, replicas: usize) -> Plan {
    ordered_with(model, replicas, |_| {})
}

fn ordered_with(model: &Model, replicas: usize, set: impl FnOnce(&mut PlanSettings)) -> Plan {
    let replicas = i64::try_from(replicas).unwrap().try_into().unwrap();
    let wanted = [("t".parse().unwrap(), replicas)].into();
    let mut request = request(model, Purpose::Replicate(wanted));
    set(&mut request.settings);
    plan(&request)
}

fn row(replicas: &[usize]) -> Row {
    Row {
        replicas: replicas.to_vec(),
        lagging: Vec::new(),
        leader: replicas.first().copied(),
    }
}

/// Two brokers in each of three racks.
fn three_racks() -> Vec<Host> {
    [0, 1, 2, 0, 1, 2].map(|rack| (rack, BrokerState::Alive)).to_vec()
}

#[test]
fn replicas_are_added_in_racks_that_have_none_and_where_they_burden_least() {
    let busy = row(&[4]);
    let model = model(&three_racks(), &[row(&[0]), busy.clone(), busy], takes(10.0, 1.0));
    let plan = ordered(&model, 3);
    let first = plan.moves.iter().find(|change| change.from == ids(&[0])).unwrap();
    let racks: HashSet<i32> = first.to.iter().map(|broker| broker.get() % 3).collect();
    assert_eq!((first.to.len(), first.to[0], racks.len()), (3, id(0), 3));
    assert!(!first.to.contains(&id(4)), "{first:?}");
    assert_eq!((plan.bytes, plan.bytes_lower_bound), (6, 6));
    assert!(
        first.reason.contains("3 replicas instead of 1 are ordered"),
        "{first:?}"
    );
}

#[test]
fn an_idle_topic_is_spread_over_all_brokers() {
    let rows: Vec<Row> = (0..12).map(|number| row(&[number % 6])).collect();
    let plan = ordered(&model(&three_racks(), &rows, PartitionLoad::default()), 2);
    for broker in 0..6 {
        let added = plan
            .moves
            .iter()
            .filter(|change| change.adding().any(|added| added == id(broker)));
        assert_eq!(added.count(), 2, "on broker {broker}: {plan:?}");
    }
}

#[test]
fn a_replica_that_is_not_in_sync_goes_first_then_one_whose_rack_has_another() {
    let lagging = Row {
        lagging: vec![1],
        ..row(&[0, 1, 2])
    };
    let crowded = row(&[1, 0, 3, 2]);
    let plan = ordered(&model(&three_racks(), &[lagging], takes(1.0, 1.0)), 2);
    assert_eq!(plan.moves[0].to, ids(&[0, 2]));
    let plan = ordered(&model(&three_racks(), &[crowded], takes(1.0, 1.0)), 3);
    let to = &plan.moves[0].to;
    assert!(
        to.contains(&id(0)) != to.contains(&id(3)),
        "one of the two in rack 0: {plan:?}"
    );
    assert_eq!((plan.bytes, plan.removals()), (0, 1));
}

#[test]
fn a_leader_on_a_broker_that_is_to_be_emptied_is_followed_by_another_one_before_its_replica_goes() {
    let mut hosts = three_racks();
    hosts[0].1 = BrokerState::Draining;
    let before = model(&hosts, &[row(&[0, 1, 2])], takes(1.0, 1.0));
    let first = ordered(&before, 1);
    assert_eq!(first.moves.len(), 1);
    assert!(first.moves[0].is_leadership_only(), "{first:?}");
    let second = ordered(&applied(&before, &first), 1);
    assert_eq!(second.moves[0].to, first.moves[0].to[..1]);
}

#[test]
fn what_no_broker_can_take_is_said() {
    let full = Row {
        ..row(&[0, 1, 2, 3, 4])
    };
    let mut hosts = three_racks();
    hosts[5].1 = BrokerState::Draining;
    let plan = ordered(&model(&hosts, &[full], takes(1.0, 1.0)), 6);
    assert_eq!(plan.moves, []);
    assert!(
        plan.unsolved[0].starts_with("t-0 has 5 replicas: 6 are ordered, and no other broker may take one"),
        "{plan:?}"
    );
    // Each broker may be given 90 of 100.
    let plan = ordered(&model(&three_racks(), &[row(&[0])], takes(91.0, 1.0)), 2);
    assert_eq!((plan.moves.len(), plan.unsolved.len()), (0, 1), "{plan:?}");
}

#[test]
fn no_leader_has_to_send_more_than_it_can() {
    // Broker 0 leads both and may send 90; each further replica takes 20 of that.
    let rows = [row(&[0]), row(&[0])];
    let load = PartitionLoad {
        bytes_out: 15.0,
        ..takes(20.0, 1.0)
    };
    let plan = ordered(&model(&three_racks(), &rows, load), 3);
    let added: usize = plan.moves.iter().map(|change| change.to.len() - 1).sum();
    assert_eq!(added, 3, "{plan:?}");
    assert!(
        plan.unsolved[0].contains("broker 0, which leads, has no room to send to another one"),
        "{plan:?}"
    );
}

#[test]
fn who_leads_next_is_who_has_most_room_for_it() {
    let mut hosts = three_racks();
    hosts[0].1 = BrokerState::Draining;
    let busy = row(&[1]);
    let rows = [row(&[0, 1, 2]), busy.clone(), busy];
    let plan = ordered(&model(&hosts, &rows, sends(30.0)), 2);
    let passed = plan.moves.iter().find(|change| change.from_leader == Some(id(0)));
    assert_eq!(passed.map(|change| change.to[0]), Some(id(2)), "{plan:?}");
}

#[test]
fn a_plan_that_is_cut_begins_with_what_is_most_urgent_and_counts_what_it_does_not_name() {
    let rows = [row(&[0, 1]), row(&[0]), row(&[0, 1, 2, 3]), row(&[1])];
    let plan = ordered_with(&model(&three_racks(), &rows, takes(1.0, 1.0)), 3, |settings| {
        settings.max_moves = 2;
    });
    let moved: Vec<String> = plan
        .moves
        .iter()
        .map(|change| change.partition.to_string())
        .collect();
    assert_eq!(moved, ["t-2", "t-1"]);
    assert_eq!(plan.unsolved, [explain::CUT]);
    // What is hindered takes nobody's place.
    let orphan = Row {
        leader: None,
        ..row(&[0])
    };
    let rows: Vec<Row> = std::iter::repeat_n(orphan, 30).chain([row(&[0, 1])]).collect();
    let plan = ordered_with(&model(&three_racks(), &rows, takes(1.0, 1.0)), 3, |settings| {
        settings.max_moves = 2;
    });
    assert_eq!((plan.moves.len(), plan.unsolved.len()), (1, 21), "{plan:?}");
    assert_eq!(plan.unsolved[20], "10 more like the last");
}

#[test]
fn the_reserve_of_disks_is_left_free() {
    let hosts = [0, 1, 2].map(|rack| (rack, BrokerState::Alive));
    let room = |broker| Some(if broker == 1 { 12.0 } else { 11.0 });
    let model = model_with_room(&hosts, &[row(&[0])], takes(1.0, 2.0), room);
    let to = |reserve| {
        let plan = ordered_with(&model, 3, |settings| settings.disk_reserve = reserve);
        plan.moves.first().map(|change| change.to.clone())
    };
    assert_eq!(to(9).map(|to| to.len()), Some(3));
    assert_eq!(to(10), Some(ids(&[0, 1])));
    assert_eq!(to(11), None);
}

#[test]
fn what_was_tried_a_short_while_ago_is_left_to_cool_down_and_that_is_said() {
    let model = model(&three_racks(), &[row(&[0]), row(&[1])], takes(1.0, 1.0));
    let plan = ordered_with(&model, 2, |settings| {
        settings.cooling_down.insert("t-0".parse().unwrap());
    });
    let moved: Vec<String> = plan
        .moves
        .iter()
        .map(|change| change.partition.to_string())
        .collect();
    assert_eq!(moved, ["t-1"]);
    assert_eq!(
        plan.unsolved,
        ["t-0 has 1 replicas: it was moved since that was ordered, and is left to cool down"]
    );
}

fn states() -> impl Strategy<Value = BrokerState> {
    prop_oneof![
        6 => Just(BrokerState::Alive),
        1 => Just(BrokerState::New),
        1 => Just(BrokerState::Draining),
        1 => Just(BrokerState::Dead),
    ]
}

/// Brokers, and partitions on them: of those that are dead, no replica is in sync.
fn clusters() -> impl Strategy<Value = (Vec<Host>, Vec<Row>)> {
    (3_usize..9).prop_flat_map(|brokers| {
        let all: Vec<usize> = (0..brokers).collect();
        let replicas = subsequence(all, 1..=brokers.min(5)).prop_shuffle();
        let hosts = proptest::collection::vec((0_u8..4, states()), brokers);
        let rows = proptest::collection::vec((replicas, any::<u8>(), any::<usize>()), 1..12);
        (hosts, rows).prop_map(|(hosts, rows)| {
            let row = |(replicas, lags, leads): (Vec<usize>, u8, usize)| {
                let lags = |broker: &usize| hosts[*broker].1 == BrokerState::Dead || lags >> broker & 3 == 3;
                let (lagging, in_sync): (Vec<usize>, Vec<usize>) =
                    replicas.iter().partition(|broker| lags(broker));
                Row {
                    leader: in_sync.get(leads % in_sync.len().max(1)).copied(),
                    replicas,
                    lagging,
                }
            };
            let rows = rows.into_iter().map(row).collect();
            (hosts, rows)
        })
    })
}

fn racks(hosts: &[Host], brokers: &[usize]) -> usize {
    let racks: BTreeSet<u8> = brokers.iter().map(|broker| hosts[*broker].0).collect();
    racks.len()
}

fn check_addition(hosts: &[Host], row: &Row, to: &[usize], wanted: usize) {
    assert_eq!(
        to.iter().filter(|broker| row.replicas.contains(broker)).count(),
        row.replicas.len()
    );
    let takes = |broker: &usize| matches!(hosts[*broker].1, BrokerState::Alive | BrokerState::New);
    let added: Vec<usize> = to
        .iter()
        .copied()
        .filter(|broker| !row.replicas.contains(broker))
        .collect();
    assert!(added.iter().all(takes), "{hosts:?} {row:?} {to:?}");
    let free: Vec<usize> = (0..hosts.len())
        .filter(|broker| takes(broker) && !row.replicas.contains(broker))
        .collect();
    assert_eq!(added.len(), free.len().min(wanted - row.replicas.len()));
    let reachable = racks(hosts, &[row.replicas.as_slice(), &free].concat());
    let most = reachable.min(racks(hosts, &row.replicas) + added.len());
    assert_eq!(racks(hosts, to), most, "{hosts:?} {row:?} {to:?}");
}

fn check_removal(hosts: &[Host], row: &Row, to: &[usize], wanted: usize) {
    let leader = row.leader.unwrap();
    if to.len() > wanted {
        // Another one leads first.
        assert_eq!(hosts[leader].1, BrokerState::Draining);
        assert!(
            to[0] != leader && to.contains(&leader) && to.len() == row.replicas.len() - row.lagging.len()
        );
        return;
    }
    assert_eq!(to.len(), wanted);
    assert!(to.contains(&leader) && to.iter().all(|broker| row.replicas.contains(broker)));
    let in_sync = |brokers: &[usize]| {
        brokers
            .iter()
            .filter(|broker| !row.lagging.contains(broker))
            .count()
    };
    assert_eq!(
        in_sync(to),
        in_sync(&row.replicas).min(wanted),
        "{hosts:?} {row:?} {to:?}"
    );
    let plain = |broker: &usize| hosts[*broker].1 != BrokerState::Draining;
    if row.lagging.is_empty() && row.replicas.iter().all(plain) {
        assert_eq!(
            racks(hosts, to),
            racks(hosts, &row.replicas).min(wanted),
            "{hosts:?} {row:?} {to:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_target_has_the_right_number_on_distinct_live_brokers_in_as_many_racks_as_can_be(
        (hosts, rows) in clusters(),
        wanted in 1_usize..7,
    ) {
        let model = model(&hosts, &rows, takes(0.5, 0.5));
        let plan = ordered(&model, wanted);
        let mut moved = BTreeSet::new();
        for change in &plan.moves {
            let number = usize::try_from(change.partition.partition.get()).unwrap();
            moved.insert(number);
            let row = &rows[number];
            let to: Vec<usize> = change.to.iter().map(|broker| usize::try_from(broker.get()).unwrap()).collect();
            let distinct: BTreeSet<&usize> = to.iter().collect();
            prop_assert_eq!(distinct.len(), to.len());
            prop_assert!(to.iter().all(|broker| hosts[*broker].1 != BrokerState::Dead), "{:?} {:?}", row, to);
            prop_assert!(!row.lagging.contains(&to[0]), "the first is to lead: {:?} {:?}", row, to);
            let first = row.replicas[0];
            let stays = to.contains(&first) && !row.lagging.contains(&first) && hosts[first].1 != BrokerState::Draining;
            let is_passed = row.leader == Some(first) && to.len() > wanted;
            prop_assert!(!stays || to[0] == first || is_passed, "{:?} {:?}", row, to);
            match row.replicas.len() < wanted {
                true => check_addition(&hosts, row, &to, wanted),
                false => check_removal(&hosts, row, &to, wanted),
            }
        }
        for (number, row) in rows.iter().enumerate().filter(|(number, _)| !moved.contains(number)) {
            let is_said = plan.unsolved.iter().any(|why| why.starts_with(&format!("t-{number} ")));
            prop_assert!(row.replicas.len() == wanted || is_said, "{:?} {:?}", row, plan);
        }
        prop_assert_eq!(&ordered(&model, wanted), &plan);
    }
}
