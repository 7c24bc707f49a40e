//! Logs with one writer.

use kafka::CompactedLog;
use kafka::compacted_log::{Entry, LogError, LogWriter};

use super::Proof;

/// A log gives back the last record of each key, in the order of writing, and not the keys that were removed.
pub async fn the_last_record_of_a_key_counts<L: CompactedLog>(new_log: &L) -> Proof {
    let (mut writer, found) = new_log.open().await?;
    assert_eq!(found, [], "a new log is empty");
    writer
        .append(vec![entry("a", "1"), entry("b", "1"), entry("c", "1")])
        .await?;
    writer.append(vec![entry("a", "2")]).await?;
    writer.append(Vec::new()).await?;
    writer
        .append(vec![removed("c"), entry("d", "1"), entry("d", "2")])
        .await?;
    drop(writer);
    let (_writer, found) = new_log.open().await?;
    assert_eq!(found, [entry("b", "1"), entry("a", "2"), entry("d", "2")]);
    Ok(())
}

/// Whoever opens a log ends the writing of whoever had it open, for good, and misses nothing of theirs.
pub async fn opening_a_log_fences_the_writer_before<L: CompactedLog>(new_log: &L) -> Proof {
    let (mut old, _) = new_log.open().await?;
    old.append(vec![entry("a", "old")]).await?;
    let (mut new, found) = new_log.open().await?;
    assert_eq!(found, [entry("a", "old")]);
    for _ in 0..2 {
        let late = old.append(vec![entry("a", "late"), entry("b", "late")]).await;
        assert!(matches!(late, Err(LogError::Fenced)), "{late:?}");
    }
    new.append(vec![entry("c", "new")]).await?;
    let late = old.append(vec![entry("a", "later")]).await;
    assert!(matches!(late, Err(LogError::Fenced)), "{late:?}");
    let (_newest, found) = new_log.open().await?;
    assert_eq!(found, [entry("a", "old"), entry("c", "new")]);
    let late = new.append(vec![entry("c", "late")]).await;
    assert!(matches!(late, Err(LogError::Fenced)), "{late:?}");
    Ok(())
}

/// A log with more live records than allowed is not read. `new_log` must allow less than 4,000 bytes.
pub async fn a_log_that_is_too_large_is_not_read<L: CompactedLog>(new_log: &L) -> Proof {
    let (mut writer, _) = new_log.open().await?;
    for key in ["a", "b", "c", "d"] {
        writer.append(vec![entry(key, &"x".repeat(1000))]).await?;
    }
    let opened = new_log.open().await.map(|(_, entries)| entries.len());
    assert!(matches!(opened, Err(LogError::TooLarge { .. })), "{opened:?}");
    Ok(())
}

fn entry(key: &str, value: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        value: Some(value.as_bytes().to_vec()),
    }
}

fn removed(key: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        value: None,
    }
}
