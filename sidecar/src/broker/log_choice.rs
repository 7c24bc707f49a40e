//! Which of two sources of logs is asked.

/// After how many failures in a row the protocol is left for MBeans.
const PATIENCE: u32 = 3;

/// How many samples there are to one that tries the protocol again: once a minute at the usual interval.
const AGAIN_EVERY: u32 = 12;

/// The protocol, since it is cheap, until it has failed several times in a row; then MBeans, and now and then the protocol
/// again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Choice {
    failures: u32,
    samples_since: u32,
}

impl Choice {
    /// Whether MBeans are asked with the next sample.
    pub(super) fn asks_mbeans(self) -> bool {
        self.failures >= PATIENCE
    }

    /// Whether the protocol is.
    pub(super) fn asks_protocol(self) -> bool {
        !self.asks_mbeans() || self.samples_since >= AGAIN_EVERY
    }

    /// Notes that a sample was taken, and whether the protocol answered if it was asked.
    pub(super) fn note(&mut self, protocol: Option<bool>) {
        match protocol {
            None => self.samples_since += 1,
            Some(true) => *self = Self::default(),
            Some(false) => {
                self.failures = (self.failures + 1).min(PATIENCE);
                self.samples_since = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_changes_nothing_and_several_in_a_row_do() {
        let mut choice = Choice::default();
        for answered in [false, false, true, false, false] {
            choice.note(Some(answered));
            assert!(choice.asks_protocol() && !choice.asks_mbeans());
        }
        choice.note(Some(false));
        assert!(choice.asks_mbeans() && !choice.asks_protocol());
    }

    #[test]
    fn the_protocol_is_tried_again_and_taken_back_when_it_answers() {
        let mut choice = Choice::default();
        (0..PATIENCE).for_each(|_| choice.note(Some(false)));
        for answers in [false, true] {
            (0..AGAIN_EVERY).for_each(|_| choice.note(None));
            assert!(choice.asks_protocol() && choice.asks_mbeans());
            choice.note(Some(answers));
            assert_eq!(choice.asks_protocol(), answers);
        }
        assert!(!choice.asks_mbeans());
    }
}
