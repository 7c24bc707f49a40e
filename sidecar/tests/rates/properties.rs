//! What is so of any figures.

use proptest::prelude::*;

use super::*;

prop_compose! {
    fn any_replica()(
        id in 1..3_u8,
        size in 0..1_u64 << 50,
        start in 0..1_i64 << 40,
        length in 0..1_i64 << 40,
        leads in any::<bool>(),
        told in any::<bool>(),
        in_sync in any::<bool>(),
    ) -> Replica {
        let span = told.then_some(Span { start, end: start + length });
        let led = leads.then_some(Led { span, replicas: 3, in_sync: 3, against_minimum: None,
        preferred: Some(true) });
        Replica { topic_id: [id; 16], size, led, in_sync }
    }
}

prop_compose! {
    /// Leaders that stay, whose logs grow, lose segments or are compacted.
    fn any_steady()(
        start in 0..1_i64 << 40,
        length in 0..1_i64 << 40,
        size in 0..1_u64 << 50,
        deleted in 0..1_i64 << 20,
        written in 0..1_i64 << 30,
        size_after in 0..1_u64 << 50,
    ) -> (Option<Replica>, Option<Replica>) {
        let end = start + length + written;
        (Some(leader(start, start + length, size)), Some(leader((start + deleted).min(end), end, size_after)))
    }
}

proptest! {
    #[test]
    fn leaders_that_stay_sum_to_the_exact_totals(
        replicas in prop::collection::vec(any_steady(), 1..12),
        bytes_in in 0.0..1e10_f64,
        bytes_out in 0.0..1e10_f64,
        consumed in prop::option::of(prop::collection::btree_map((0..12_usize).prop_map(partition), (0..4_u32, 0.0..1e7_f64), 0..12)),
    ) {
        let (before, after) = replicas.into_iter().unzip();
        let mut given = given(before, after).traffic(bytes_in, bytes_out);
        given.consumed = consumed.map(|all| all.into_iter().map(|(of, (groups, rate))| (of, caught_up(groups, rate))).collect());
        let rates = given.rates();
        for (sum, total) in [
            (rates.iter().map(|rate| rate.bytes_in).sum::<f64>(), bytes_in),
            (rates.iter().map(|rate| rate.bytes_out).sum::<f64>(), bytes_out),
        ] {
            prop_assert!((sum - total).abs() <= total * 1e-9, "{sum} is not {total}");
        }
    }

    #[test]
    fn whatever_was_read_no_rate_is_negative_or_beyond_the_topics_total_and_certainty_is_earned(
        before in prop::collection::vec(prop::option::of(any_replica()), 0..8),
        after in prop::collection::vec(prop::option::of(any_replica()), 0..8),
        traffic in (0.0..1e10_f64, 0.0..1e10_f64),
        same_window in any::<bool>(),
    ) {
        let led = |replicas: &[Option<Replica>]| -> Vec<(usize, [u8; 16])> {
            let replicas = replicas.iter().enumerate();
            let led = replicas.filter_map(|(number, replica)| Some((number, replica.as_ref().filter(|r| r.led.is_some())?.topic_id)));
            led.collect()
        };
        let same_leaders = led(&before) == led(&after);
        let mut given = given(before, after).traffic(traffic.0, traffic.1);
        given.same_window = same_window;
        let rates = given.rates();
        for (figure, confidence, total) in rates.iter().flat_map(|rate| [
            (rate.bytes_in, rate.bytes_in_confidence, traffic.0),
            (rate.bytes_out, rate.bytes_out_confidence, traffic.1),
            (rate.records_in, Even, f64::MAX),
        ]) {
            prop_assert!(figure.is_finite() && figure >= 0.0, "{figure}");
            prop_assert!(figure <= total * (1.0 + 1e-9), "{figure} of {total}");
            prop_assert!(confidence < Exact || same_leaders && same_window);
        }
    }
}
