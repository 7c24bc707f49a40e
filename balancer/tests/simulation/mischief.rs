//! Making trouble, one kind at a time.

use std::time::Duration;

use balancer::action::Action;
use balancer::journal::Mode;
use kafka::Cluster;
use kafka::cluster::ConfigResource;
use rand::RngExt;
use rand_pcg::Pcg32;
use tokio::time::Instant;

use super::others;
use super::reports::Mood;
use super::schedule::{BROKERS, Schedule, TOPICS, broker, make_topic, partition, place, topic};
use super::trouble::Trouble;
use super::weather::Moment;

impl Schedule {
    pub(crate) async fn make_trouble(&mut self, trouble: Trouble, mut dice: Pcg32) {
        let dice = &mut dice;
        let id = broker(dice.random_range(0..BROKERS));
        let done = match trouble {
            Trouble::Kill => self.kill_soon(dice),
            Trouble::Pause => self.pause(dice).await,
            Trouble::Second => {
                self.replace(false).await;
                true
            }
            Trouble::Cut | Trouble::Controller => {
                let until = Instant::now() + Duration::from_secs(dice.random_range(1..40));
                let mut weather = self.actor.weather.lock().unwrap();
                match trouble {
                    Trouble::Cut => weather.cut_until = Some(until),
                    _ => weather.no_controller_until = Some(until),
                }
                true
            }
            Trouble::BrokerDies => self.stop_or_start(id, dice),
            Trouble::BrokerSlow => {
                self.cluster
                    .set_bandwidth(id, f64::from(dice.random_range(100_000..2_000_000)));
                true
            }
            Trouble::DiskFills => self.fill_disk(id, dice).await,
            Trouble::TopicDeleted | Trouble::TopicRecreated => self.delete_topic(trouble, dice).await,
            Trouble::TopicGrows => self.grow_topic(dice).await,
            Trouble::LoadShifts => self.shift_load(dice),
            Trouble::ReportsMissing => self.set_mood(id, Mood::Silent, dice),
            Trouble::ReportsStale => self.set_mood(id, Mood::Stuck, dice),
            Trouble::ReportsLie => {
                let factor = dice.random_range(0.0..5.0);
                self.set_mood(id, Mood::Lying(factor), dice)
            }
            Trouble::OthersReassign => self.reassign_as_others(dice).await,
            Trouble::OthersThrottle => self.throttle_as_others(dice).await,
            Trouble::OthersUnthrottle => self.unthrottle_as_others().await,
            Trouble::Stop => self.stop_or_let_act(dice).await,
            Trouble::Drain => self.drain(dice).await,
            Trouble::Rebalance => {
                self.actor.ask(Action::Rebalance).await;
                true
            }
            Trouble::Replicate => self.replicate(dice).await,
            Trouble::Wiped | Trouble::Corrupt => self.spoil_journal(trouble, dice),
            // Those meet single requests.
            Trouble::Lost
            | Trouble::AnswerLost
            | Trouble::Late
            | Trouble::Refused
            | Trouble::EachRefused
            | Trouble::Stale
            | Trouble::Journal => false,
        };
        if done {
            *self.account.faults.entry(trouble).or_default() += 1;
        }
    }

    /// At one of the next requests, whichever that is.
    fn kill_soon(&mut self, dice: &mut Pcg32) -> bool {
        let moment = match dice.random_bool(0.5) {
            true => Moment::Before,
            false => Moment::After,
        };
        self.actor.weather.lock().unwrap().kill_in = Some((dice.random_range(0..60), moment));
        true
    }

    /// A balancer that sleeps is taken over from, and wakes up later; or one that slept wakes up.
    async fn pause(&mut self, dice: &mut Pcg32) -> bool {
        if let Some(sleeper) = self.fenced.iter_mut().find(|actor| actor.is_paused()) {
            sleeper.resume();
            self.last_resumed = Some(Instant::now());
            return true;
        }
        // In the middle of a request, if there is one within the next moments.
        for _ in 0..dice.random_range(0..3000) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if self.actor.requests_under_way() > 0 && dice.random_bool(0.3) {
                break;
            }
        }
        self.actor.pause();
        self.replace(false).await;
        true
    }

    fn stop_or_start(&mut self, id: kafka::BrokerId, dice: &mut Pcg32) -> bool {
        match self.down.pop_first() {
            Some(down) if dice.random_bool(0.7) => self.cluster.start_broker(down),
            Some(down) => {
                self.down.insert(down);
                return false;
            }
            None => {
                self.cluster.stop_broker(id);
                self.drained = true;
                self.down.insert(id);
            }
        }
        true
    }

    /// Leaves a broker's disk so little room that it fills with the next copy, or already by what producers write.
    async fn fill_disk(&mut self, id: kafka::BrokerId, dice: &mut Pcg32) -> bool {
        let Some(Ok(folders)) = self.cluster.log_dirs(&[id]).await.unwrap().remove(&id) else {
            return false;
        };
        let used: u64 = folders
            .iter()
            .flat_map(|folder| &folder.replicas)
            .map(|replica| replica.size)
            .sum();
        let room = dice.random_range(20_000_000..300_000_000);
        self.cluster.set_volumes(id, vec![used + room]);
        self.drained = true;
        true
    }

    async fn delete_topic(&mut self, trouble: Trouble, dice: &mut Pcg32) -> bool {
        if !self.is_quiet() {
            return false;
        }
        let which = TOPICS[dice.random_range(0..2)];
        let name = topic(which.0);
        self.ordered.remove(which.0);
        let is_there = others::find(&self.cluster, &partition(which.0, 0))
            .await
            .is_some();
        if is_there {
            self.cluster
                .delete_topics(std::slice::from_ref(&name))
                .await
                .unwrap();
            self.others.forget(&name);
        }
        if trouble == Trouble::TopicRecreated {
            make_topic(&self.cluster, dice, which).await;
            let minimum = ("min.insync.replicas".to_owned(), which.3.to_string());
            let key = (ConfigResource::Topic(name), minimum.0);
            self.others.configs.insert(key, minimum.1);
        }
        true
    }

    async fn grow_topic(&mut self, dice: &mut Pcg32) -> bool {
        let (name, ..) = TOPICS[dice.random_range(0..2)];
        // Partitions that come when an order is over have as many replicas as Kafka gives them.
        self.ordered.remove(name);
        let name = topic(name);
        let total = dice.random_range(9..14);
        let answers = self.cluster.create_partitions(&[(name, total)]).await.unwrap();
        answers.values().all(Result::is_ok)
    }

    fn shift_load(&mut self, dice: &mut Pcg32) -> bool {
        let (name, count, ..) = TOPICS[dice.random_range(0..2)];
        let of = partition(name, dice.random_range(0..count));
        let rate = f64::from(dice.random_range(0..3_000_000));
        self.cluster.produce_at(&of, rate).is_ok()
    }

    fn set_mood(&mut self, id: kafka::BrokerId, mood: Mood, dice: &mut Pcg32) -> bool {
        let mut moods = self.moods.lock().unwrap();
        if dice.random_bool(0.5) {
            moods.clear();
        }
        moods.insert(id, mood);
        true
    }

    async fn reassign_as_others(&mut self, dice: &mut Pcg32) -> bool {
        let (name, of) = [("a", 0), ("a", 1), ("c", 0), ("c", 1)][dice.random_range(0..4)];
        let of = partition(name, of);
        let to = place(dice, 3);
        let view = self.actor.view();
        let plan = view.plan.iter().flat_map(|plan| &plan.moves);
        // Whoever asks for what there was before a move, or for the same, cannot be told from a request of ours.
        let ours = plan.clone().any(|change| {
            change.topic == of.topic
                && change.partition == of.partition
                && [&change.from, &change.to].iter().any(|replicas| {
                    replicas.len() == to.len() && replicas.iter().all(|broker| to.contains(broker))
                })
        });
        if ours || !self.is_quiet() || to.iter().any(|id| self.down.contains(id)) {
            return false;
        }
        self.others.reassign(&self.cluster, of, to).await;
        true
    }

    async fn throttle_as_others(&mut self, dice: &mut Pcg32) -> bool {
        let id = broker(dice.random_range(0..BROKERS));
        let (rate, all) = (dice.random_range(60_000..70_000) * 1_000, dice.random_bool(0.2));
        // What the balancer had in the list a short while ago, for emptying a broker, cannot be told from what others put there.
        let partitions = if self.drained { [5, 6] } else { [0, 1] };
        // An element that is in the list because of the balancer and of somebody else is nobody's alone.
        let lists = others::configs(&self.cluster).await;
        let mixed = lists.iter().any(|(key, value)| {
            key.0 == ConfigResource::Topic(topic("c")) && self.others.configs.get(key) != Some(value)
        });
        if mixed || self.down.contains(&id) || !self.is_quiet() {
            return false;
        }
        self.others
            .throttle(&self.cluster, &topic("c"), id, rate, all, partitions)
            .await;
        true
    }

    async fn unthrottle_as_others(&mut self) -> bool {
        if !self.is_quiet() {
            return false;
        }
        let down = &self.down;
        self.others
            .unthrottle(&self.cluster, |id| !down.contains(&id))
            .await;
        true
    }

    async fn stop_or_let_act(&mut self, dice: &mut Pcg32) -> bool {
        self.stopped = !self.stopped;
        let at_once = dice.random_bool(0.5);
        self.actor
            .ask(match self.stopped {
                true => Action::Stop { at_once },
                false => Action::Mode(Mode::Auto),
            })
            .await;
        true
    }

    async fn drain(&mut self, dice: &mut Pcg32) -> bool {
        let brokers = vec![broker(dice.random_range(0..BROKERS))];
        self.drained = true;
        self.actor
            .ask(match dice.random_bool(0.6) {
                true => Action::Drain { brokers },
                false => Action::Undrain { brokers },
            })
            .await;
        true
    }

    /// As many replicas as there can be, and as few as producers need.
    async fn replicate(&mut self, dice: &mut Pcg32) -> bool {
        let (name, _, _, minimum) = TOPICS[dice.random_range(0..2)];
        let replicas = dice.random_range(minimum..=5);
        let wanted = (!dice.random_bool(0.1)).then(|| i64::try_from(replicas).unwrap().try_into().unwrap());
        let topics = [(topic(name), wanted)].into();
        let is_ordered = self.actor.ask(Action::Replicate { topics }).await;
        // One that was not answered may be obeyed all the same.
        self.ordered.remove(name);
        if let Some(wanted) = wanted.filter(|_| is_ordered) {
            self.ordered.insert(name, wanted);
        }
        is_ordered
    }

    /// Only where nobody's own value could be under one of the balancer's: what was there before is lost then.
    fn spoil_journal(&mut self, trouble: Trouble, dice: &mut Pcg32) -> bool {
        if self.others.have_throttles_of_their_own() {
            return false;
        }
        self.journal_lost = true;
        self.ordered.clear();
        if trouble == Trouble::Wiped {
            self.log.clear();
            return true;
        }
        for entry in self.log.entries() {
            if dice.random_bool(0.2) {
                let garbage: &[u8] = match dice.random_range(0..3) {
                    0 => b"",
                    1 => b"{\"version\":99,\"body\":{}}",
                    _ => b"\xff\x00{",
                };
                self.log.corrupt(&entry.key, garbage);
            }
        }
        true
    }
}
