//! What an image's name tells about the Kafka in it.

use std::fmt;

/// The image of brokers and controllers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(String);

/// A version of Kafka, such as 3.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KafkaVersion {
    /// Before the dot.
    major: u32,
    /// After it.
    minor: u32,
}

/// Since this version Kafka has no ZooKeeper mode.
pub(super) const FIRST_WITHOUT_ZOOKEEPER: KafkaVersion = KafkaVersion { major: 4, minor: 0 };

/// Since this version KRaft is for production.
pub(super) const FIRST_WITH_KRAFT: KafkaVersion = KafkaVersion { major: 3, minor: 3 };

/// Since this version KRaft keeps passwords of users.
pub(super) const FIRST_WITH_USERS_IN_KRAFT: KafkaVersion = KafkaVersion { major: 3, minor: 5 };

/// Images that have neither of the two layouts which the start script knows.
const OTHER_LAYOUTS: [(&str, &str); 4] = [
    (
        "apache/kafka-native",
        "it has no scripts to format and start with",
    ),
    ("bitnami/kafka", "it keeps Kafka in a place of its own"),
    ("bitnamilegacy/kafka", "it keeps Kafka in a place of its own"),
    ("strimzi/kafka", "it starts with scripts of its own operator"),
];

impl Image {
    /// Takes any reference without spaces.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins_well && text.len() <= 500 && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            let shown: String = text.chars().take(100).collect();
            Err(format!("`{shown}` is no image"))
        }
    }

    /// Why pods of this image could not start; none when nothing is known against it.
    pub(super) fn unusable_layout(&self) -> Option<&'static str> {
        let repository = self.repository();
        let known = |name: &str| repository == name || repository.ends_with(&format!("/{name}"));
        OTHER_LAYOUTS
            .into_iter()
            .find(|(name, _)| known(name))
            .map(|(_, reason)| reason)
    }

    /// The Kafka in it; none when the name does not tell.
    pub(super) fn kafka_version(&self) -> Option<KafkaVersion> {
        const NEWEST: KafkaVersion = KafkaVersion {
            major: u32::MAX,
            minor: u32::MAX,
        };
        let repository = self.repository();
        let name = repository.rsplit('/').next()?;
        let of_confluent = matches!(name, "cp-kafka" | "cp-server");
        let of_apache = repository == "apache/kafka" || repository.ends_with("/apache/kafka");
        if !of_confluent && !of_apache {
            return None;
        }
        let tag = match self.tag() {
            Some("latest") => return Some(NEWEST),
            None if self.0.contains('@') => return None,
            None => return Some(NEWEST),
            Some(tag) => tag,
        };
        let mut numbers = tag.split(['.', '-']).map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            return None;
        };
        if of_apache {
            return Some(KafkaVersion { major, minor });
        }
        of_confluent_platform(major, minor)
    }

    fn repository(&self) -> &str {
        let undigested = self.0.split('@').next().unwrap_or_default();
        match undigested.rsplit_once(':') {
            // A colon before a slash is that of a registry's port.
            Some((repository, tag)) if !tag.contains('/') => repository,
            _ => undigested,
        }
    }

    fn tag(&self) -> Option<&str> {
        let undigested = self.0.split('@').next().unwrap_or_default();
        undigested[self.repository().len()..].strip_prefix(':')
    }
}

/// The Kafka in a Confluent Platform: 2.5 in 5.5, 2.8 in 6.2, 3.9 in 7.9, 4.0 in 8.0.
fn of_confluent_platform(major: u32, minor: u32) -> Option<KafkaVersion> {
    let (major, minor) = match major {
        0..=4 => return None,
        5 => (2, minor),
        6 => (2, minor.checked_add(6)?),
        _ => (major - 4, minor),
    };
    Some(KafkaVersion { major, minor })
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(image: &str) -> Option<(u32, u32)> {
        let version = Image::parse(image).unwrap().kafka_version()?;
        Some((version.major, version.minor))
    }

    #[test]
    fn versions_are_told_from_tags_of_images_that_are_known() {
        assert_eq!(version("confluentinc/cp-kafka:7.9.2"), Some((3, 9)));
        assert_eq!(version("confluentinc/cp-kafka:8.1.0-1-ubi9"), Some((4, 1)));
        assert_eq!(
            version("registry.example:5000/confluentinc/cp-kafka:7.4.0"),
            Some((3, 4))
        );
        assert_eq!(version("confluentinc/cp-kafka:6.2.1"), Some((2, 8)));
        assert_eq!(version("confluentinc/cp-kafka:5.5.0"), Some((2, 5)));
        assert_eq!(version("docker.io/apache/kafka:4.3.1"), Some((4, 3)));
        assert_eq!(version("apache/kafka:3.9.2@sha256:abcd"), Some((3, 9)));
        assert!(version("confluentinc/cp-kafka:latest").unwrap() > (4, 0));
        assert!(version("confluentinc/cp-kafka").unwrap() > (4, 0));
        for unknown in [
            "registry.example:5000/our/kafka:1.0",
            "apache/kafka@sha256:abcd",
            "confluentinc/cp-kafka:master",
            "confluentinc/cp-kafka:3.0.0",
        ] {
            assert_eq!(version(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn images_of_other_layouts_are_known_by_name() {
        let reason = |image: &str| Image::parse(image).unwrap().unusable_layout();
        assert!(reason("docker.io/bitnami/kafka:3.9").is_some());
        assert!(reason("apache/kafka-native:4.0.0").is_some());
        assert!(reason("apache/kafka:4.0.0").is_none());
        assert!(Image::parse("apache/kafka latest").is_err());
        assert!(Image::parse("").is_err());
    }
}
