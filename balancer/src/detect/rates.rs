//! Time-decayed rates.
//!
//! A rate after a tick of length `dt` is `w · sample + (1 − w) · rate` with `w = 1 − e^(−dt/τ)`: the weight of a sample
//! falls by e in every `τ`, whatever the spacing of ticks (A. Eckner, Algorithms for Unevenly Spaced Time Series, 2012).
//! The average starts at 0, so that it is divided by the weight collected so far, `1 − e^(−elapsed/τ)`, as Kingma and
//! Ba do (Adam, 2015, §3): the first sample counts in full.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{Model, PartitionIndex, PartitionLoad};

/// Time constant of the fast rates: a step shows to 63 % after it.
pub const FAST: Duration = Duration::from_secs(10);
/// Time constant of the slow rates.
pub const SLOW: Duration = Duration::from_secs(300);

/// One decayed average of a partition's load and the weight collected so far.
#[derive(Debug, Clone, Copy, Default)]
struct Decayed {
    sum: PartitionLoad,
    weight: f64,
}

impl Decayed {
    fn add(&mut self, sample: &PartitionLoad, elapsed: Duration, constant: Duration) {
        let new = -(-elapsed.as_secs_f64() / constant.as_secs_f64()).exp_m1();
        let mix = |old: f64, sample: f64| new * sample + (1.0 - new) * old;
        self.sum = PartitionLoad {
            bytes_in: mix(self.sum.bytes_in, sample.bytes_in),
            bytes_out: mix(self.sum.bytes_out, sample.bytes_out),
            // A log's size is a level and not a rate: the latest counts.
            disk: sample.disk,
            cpu_leader: mix(self.sum.cpu_leader, sample.cpu_leader),
            cpu_follower: mix(self.sum.cpu_follower, sample.cpu_follower),
        };
        self.weight = mix(self.weight, 1.0);
    }

    fn rate(&self) -> PartitionLoad {
        if self.weight <= 0.0 {
            return self.sum;
        }
        PartitionLoad {
            bytes_in: self.sum.bytes_in / self.weight,
            bytes_out: self.sum.bytes_out / self.weight,
            disk: self.sum.disk,
            cpu_leader: self.sum.cpu_leader / self.weight,
            cpu_follower: self.sum.cpu_follower / self.weight,
        }
    }
}

/// What is remembered of one partition.
#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    fast: Decayed,
    slow: Decayed,
    /// The sample of the last tick, and the one before.
    latest: PartitionLoad,
    before: PartitionLoad,
}

/// Fast and slow rates of every partition, in the order of the latest model's rows.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    memory: Vec<Memory>,
    /// Name, id, first row and numbers of each topic of the latest model.
    topics: HashMap<TopicKey, Vec<(i32, u32)>>,
    at: Option<Duration>,
}

/// A topic of the same name and another id is another topic.
type TopicKey = (kafka::ids::TopicName, [u8; 16]);

impl Rates {
    /// The tick that a first sample is taken to stand for.
    const FIRST: Duration = Duration::from_secs(5);

    /// Takes the loads of a model as the means since the last tick. A time that does not advance is ignored.
    pub fn add(&mut self, model: &Model, now: Duration) {
        let elapsed = match self.at {
            None => Self::FIRST,
            Some(before) => now.saturating_sub(before),
        };
        if elapsed.is_zero() {
            return;
        }
        self.at = Some(now);
        self.follow(model);
        for row in model.partitions() {
            let sample = model.load(row);
            let memory = &mut self.memory[row.get()];
            memory.fast.add(sample, elapsed, FAST);
            memory.slow.add(sample, elapsed, SLOW);
            memory.before = std::mem::replace(&mut memory.latest, *sample);
        }
    }

    /// Brings the columns into the order of the model's rows: what is gone is dropped, what is new starts empty.
    fn follow(&mut self, model: &Model) {
        let mut memory = vec![Memory::default(); model.partitions().len()];
        let mut topics = HashMap::with_capacity(model.topics().len());
        for row in model.topics() {
            let topic = model.topic(row);
            let key = (topic.name.clone(), topic.id);
            let numbers: Vec<(i32, u32)> = model
                .partitions_of(row)
                .map(|partition| (model.number(partition).get(), partition.0))
                .collect();
            let known = self.topics.get(&key).map_or(&[][..], Vec::as_slice);
            for &(number, new) in &numbers {
                if let Ok(place) = known.binary_search_by_key(&number, |&(number, _)| number) {
                    memory[new as usize] = self.memory[known[place].1 as usize];
                }
            }
            topics.insert(key, numbers);
        }
        (self.memory, self.topics) = (memory, topics);
    }

    /// The fast rate of a partition of the latest model; zero before the first tick.
    pub fn fast(&self, partition: PartitionIndex) -> PartitionLoad {
        self.of(partition).fast.rate()
    }

    /// The slow rate of a partition of the latest model; zero before the first tick.
    pub fn slow(&self, partition: PartitionIndex) -> PartitionLoad {
        self.of(partition).slow.rate()
    }

    /// The load to plan for: of each figure the greatest of the slow rate, the fast rate, and what the last two samples
    /// show. So a plan does not forget what is usual; and it takes a step of the load for what it is, of which the fast
    /// rate shows 63 % when it is as old as two ticks. One stray sample is still nothing.
    pub fn planning(&self, partition: PartitionIndex) -> PartitionLoad {
        let Memory {
            fast,
            slow,
            latest,
            before,
        } = self.of(partition);
        let (fast, slow) = (fast.rate(), slow.rate());
        let most = |figure: fn(&PartitionLoad) -> f64| {
            let (fast, slow) = (figure(&fast), figure(&slow));
            let recent = sustained(figure(&before), figure(&latest), slow);
            fast.max(slow).max(recent)
        };
        PartitionLoad {
            bytes_in: most(|load| load.bytes_in),
            bytes_out: most(|load| load.bytes_out),
            disk: latest.disk,
            cpu_leader: most(|load| load.cpu_leader),
            cpu_follower: most(|load| load.cpu_follower),
        }
    }

    fn of(&self, partition: PartitionIndex) -> Memory {
        self.memory.get(partition.get()).copied().unwrap_or_default()
    }
}

/// What two samples in a row show for certain. A step falls into the middle of a sample: when both samples are clearly
/// above what is usual, the first one has seen only the end of it, and the second one says how high it is.
fn sustained(before: f64, latest: f64, usual: f64) -> f64 {
    const CLEARLY: f64 = 1.25;
    if before > CLEARLY * usual && latest > CLEARLY * usual {
        latest
    } else {
        latest.min(before)
    }
}
