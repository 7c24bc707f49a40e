//! Which brokers' pods get other CPU and memory while they run, and which have to be replaced for it.
//!
//! What a pod was given last is what stands on it, not what its containers ask for: Kubernetes may have changed that, and nothing
//! is to be done about it. So a pod that was made as is wanted is never touched, and replacing one always helps.

use std::collections::BTreeSet;

use super::facts::{Pending, PodFacts};
use super::rolling::Replaced;

/// What is done about pods' CPU and memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Resizing {
    /// Pods that get what is wanted while they run.
    pub(super) resize: Vec<Replaced>,
    /// The uids of those that can only get it by being replaced.
    pub(super) replace: BTreeSet<String>,
    /// What is being waited for.
    pub(super) waits: Option<String>,
}

/// Decides for pods of which those with this digest run with the wanted configuration otherwise. `refused` has the uids of those
/// that Kubernetes would not give other resources.
pub(super) fn resizing(
    pods: &[PodFacts],
    digest: &str,
    wanted: &str,
    refused: &BTreeSet<String>,
) -> Resizing {
    let mut resizing = Resizing::default();
    // A pod with another digest gets the wanted resources when it is replaced for that.
    let current = pods
        .iter()
        .filter(|pod| !pod.is_leaving() && pod.digest.as_deref() == Some(digest));
    for pod in current {
        let as_wanted = pod.resources.as_deref() == Some(wanted);
        match (&pod.resize, as_wanted) {
            (Some(Pending::Infeasible), true) => {
                resizing.replace.insert(pod.uid.clone());
            }
            (Some(Pending::Deferred), true) => {
                let waits = format!("{} waits for room on its node to get more", pod.name);
                resizing.waits.get_or_insert(waits);
            }
            (_, true) => {}
            (_, false) if !refused.contains(&pod.uid) => resizing.resize.push(pod.into()),
            // An older operator made it and did not say with what: nobody is restarted for that.
            (_, false) if pod.resources.is_none() => {}
            (_, false) => {
                resizing.replace.insert(pod.uid.clone());
            }
        }
    }
    resizing
}

#[cfg(test)]
mod tests {
    use super::super::tests::pod;
    use super::*;

    fn given(resources: &str, resize: Option<Pending>) -> PodFacts {
        PodFacts {
            resources: Some(resources.to_owned()),
            resize,
            ..pod("c", 0, "d")
        }
    }

    fn decided(pod: PodFacts, refused: bool) -> (usize, usize) {
        let refused = refused.then(|| pod.uid.clone()).into_iter().collect();
        let resizing = resizing(&[pod], "d", "new", &refused);
        (resizing.resize.len(), resizing.replace.len())
    }

    #[test]
    fn a_pod_is_resized_where_it_runs_and_replaced_only_where_that_cannot_be() {
        assert_eq!(decided(given("new", None), false), (0, 0));
        assert_eq!(decided(given("old", None), false), (1, 0));
        assert_eq!(decided(given("old", None), true), (0, 1));
        assert_eq!(decided(given("new", Some(Pending::Infeasible)), false), (0, 1));
        assert_eq!(
            decided(given("old", Some(Pending::Infeasible)), false),
            (1, 0),
            "the spec changed its mind"
        );
        assert_eq!(decided(given("new", Some(Pending::Deferred)), false), (0, 0));
    }

    #[test]
    fn a_pod_that_is_replaced_anyway_or_was_made_by_an_older_operator_is_not_replaced_for_its_resources() {
        let mut other = given("old", None);
        other.digest = Some("e".to_owned());
        assert_eq!(decided(other, false), (0, 0));
        let older = || PodFacts {
            resources: None,
            ..given("", None)
        };
        assert_eq!(decided(older(), false), (1, 0));
        assert_eq!(decided(older(), true), (0, 0));
    }
}
