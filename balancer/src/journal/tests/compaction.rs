//! Whatever Kafka's log cleaner has done by now, what is read comes to the same state.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// The entries that are left when the cleaner drops of those that are superseded the ones that `dropped` tells, and of the
/// keys of which nothing else is left the tombstones.
fn cleaned(entries: &[Entry], dropped: &[bool]) -> Vec<Entry> {
    let is_last = |place: usize| {
        entries[place + 1..]
            .iter()
            .all(|next| next.key != entries[place].key)
    };
    let goes = |place: &usize| !is_last(*place) && dropped[*place];
    let left: Vec<usize> = (0..entries.len()).filter(|place| !goes(place)).collect();
    let alone = |place: usize| {
        let of_key = left
            .iter()
            .filter(|other| entries[**other].key == entries[place].key);
        of_key.count() == 1
    };
    let is_tombstone = |place: usize| entries[place].value.is_none() && dropped[place];
    left.iter()
        .filter(|place| !(is_tombstone(**place) && alone(**place)))
        .map(|place| entries[*place].clone())
        .collect()
}

fn folded(entries: &[Entry]) -> ExecutionState {
    let mut state = ExecutionState::default();
    for entry in entries {
        state.apply(Record::from_entry(entry).unwrap());
    }
    state
}

proptest! {
    #[test]
    fn records_that_the_cleaner_drops_do_not_change_the_state(
        records in proptest::collection::vec(record(), 1..60),
        dropped in proptest::collection::vec(any::<bool>(), 60),
    ) {
        let entries: Vec<Entry> = records.iter().map(|record| record.to_entry().unwrap()).collect();
        let state = folded(&entries);
        prop_assert_eq!(&folded(&cleaned(&entries, &dropped)), &state);
        prop_assert_eq!(&folded(&cleaned(&entries, &[true; 60])), &state);
    }

    #[test]
    fn the_last_records_of_all_keys_come_to_the_same_state_in_any_order(
        records in proptest::collection::vec(record(), 1..60),
        seed in any::<u64>(),
    ) {
        use rand::SeedableRng;
        use rand::seq::SliceRandom;
        let entries: Vec<Entry> = records.iter().map(|record| record.to_entry().unwrap()).collect();
        let mut last = cleaned(&entries, &[true; 60]);
        let keys: BTreeSet<&String> = last.iter().map(|entry| &entry.key).collect();
        prop_assert_eq!(keys.len(), last.len());
        let state = folded(&entries);
        last.shuffle(&mut rand_pcg::Pcg32::seed_from_u64(seed));
        prop_assert_eq!(folded(&last), state);
    }
}
