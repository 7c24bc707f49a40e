use super::*;

fn read(text: &str) -> Result<Config, String> {
    kafka::settings::parse(text, "test").map_err(|error| error.to_string())
}

#[test]
fn the_example_is_accepted_and_what_is_printed_of_it_is_read_back_as_the_same() {
    let example = include_str!("../../../examples/config/balancer.yaml");
    let config = read(example).unwrap();
    assert_eq!(
        config.capacity.of(7.try_into().unwrap()).0.bytes_per_second(),
        500_000_000
    );
    assert_eq!(read(&kafka::settings::to_yaml(&config).unwrap()).unwrap(), config);
}

#[test]
fn the_least_configuration_names_brokers_only_and_changes_nothing_in_kafka() {
    let config = read("kafka: {bootstrap: ['localhost:9092']}").unwrap();
    assert_eq!(config.mode, Mode::Observe);
    assert!(config.listen.ip().is_loopback());
}

#[test]
fn a_certificate_and_names_are_read_and_written_as_the_same() {
    let config = read(
        "{kafka: {bootstrap: ['localhost:9092']}, tls: {cert_file: /c, key_file: /k}, hosts: [Balancer.Example.org]}",
    );
    let config = config.unwrap();
    assert_eq!(config.hosts[0].as_str(), "balancer.example.org");
    assert_eq!(read(&kafka::settings::to_yaml(&config).unwrap()).unwrap(), config);
}

#[test]
fn windows_are_read_in_utc_and_copies_start_at_any_time_without_them() {
    let read = |execute: &str| {
        let text = format!("kafka: {{bootstrap: ['localhost:9092']}}\nexecute: {execute}");
        crate::execute::Limits::from(&read(&text).unwrap().execute)
    };
    let limits =
        read("{windows: [{days: [mon, tue], from: 22:00, to: '06:00'}, {from: '12:00', to: '12:30'}]}");
    assert_eq!(limits.windows.shown(), ["mon,tue 22:00-06:00", "12:00-12:30"]);
    assert!(limits.leadership_anytime);
    assert!(!read("{leadership_anytime: false}").leadership_anytime);
    assert!(read("{}").windows.shown().is_empty());
}

#[test]
fn every_mistake_is_told_with_its_path_and_what_is_allowed() {
    let message = read(
        "
kafka: {bootstrap: ['no port']}
mode: fast
tls: {cert_file: /etc/tls.crt}
hosts: ['https://balancer.example.org']
tick: 10 ms
sidecars: {list: [{broker: 1, url: 'localhost:9404'}, {broker: 1, url: 'http://h:1'}]}
capacity: {bytes_in: 0 B/s, bytes_out: 100MB, cpu_cores: -1}
heat: {threshold: 10}
execute: {moves_per_broker: 0, windows: [{days: [monday], from: '25:00', until: '06:00'}]}
excluded: {}
",
    )
    .unwrap_err();
    for part in [
        "kafka.bootstrap[0]: ",
        "mode: \"fast\" is no mode; modes are observe, approve and auto",
        "tls.key_file: is missing",
        "hosts[0]: `https://balancer.example.org` is no name of a machine",
        "tick: 10ms is not between 1s and 5m",
        "sidecars.list[0].url: `localhost:9404` is no address of a sidecar",
        "capacity.bytes_in: is 0",
        "capacity.bytes_out: `100MB` is no rate",
        "capacity.cpu_cores: is not more than 0",
        "heat.threshold: 10 is not between 0.02 and 2",
        "execute.windows[0].days[0]: \"monday\" is no day; days are mon, tue, wed, thu, fri, sat, sun",
        "execute.windows[0].from: `25:00` is no time of day from 00:00 to 23:59",
        "execute.windows[0].to: is missing",
        "execute.windows[0].until: is not known here",
        "execute.moves_per_broker: 0 is not between 1 and 1000",
        "excluded: is not known here",
    ] {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}
