//! Finds hot brokers and partitions.
