//! The contract's files against their own standards, against each other, and against the topics.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::{Control, Topics, Verb, homeassistant_config, homeassistant_status};
use super::*;
use crate::config::{Name, Prefix};

fn parsed(name: &str) -> Value {
    serde_json::from_str(named(name).unwrap().text).unwrap()
}

/// Every schema inside of a schema that describes a property, with its path.
fn properties(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                let path = format!("{path}/{key}");
                // Branches and examples describe nothing anew.
                if ["if", "then", "else", "not", "examples"].contains(&key.as_str()) {
                    continue;
                }
                if let ("properties", Some(all)) = (key.as_str(), value.as_object()) {
                    let named = all
                        .iter()
                        .map(|(name, schema)| (format!("{path}/{name}"), schema.clone()));
                    found.extend(named);
                }
                properties(&path, value, found);
            }
        }
        Value::Array(all) => all
            .iter()
            .for_each(|schema| properties(path, schema, found)),
        _ => {}
    }
}

/// The values of `key: value` lines, without quotes.
fn values<'a>(yaml: &'a str, key: &str) -> Vec<&'a str> {
    let value = |line: &'a str| {
        let line = line.trim_start().trim_start_matches("- ");
        line.strip_prefix(key)?.strip_prefix(": ")
    };
    let values = yaml.lines().filter_map(value);
    values.map(|text| text.trim_matches('\'')).collect()
}

/// The block of lines below `key:` at this indent.
fn block<'a>(yaml: &'a str, indent: &str, key: &str) -> String {
    let head = format!("{indent}{key}:");
    let inside = |line: &&'a str| line.starts_with(&format!("{indent} ")) || line.is_empty();
    let lines = yaml.lines().skip_while(|line| *line != head).skip(1);
    lines.take_while(inside).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_schema_is_valid_json_schema_and_has_its_own_name() {
    for schema in ALL {
        let value = parsed(schema.name);
        assert_eq!(
            value["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        assert_eq!(
            value["$id"],
            format!("urn:inspectd:schema:{}:1.0", schema.name)
        );
        jsonschema::draft202012::meta::validate(&value)
            .unwrap_or_else(|fault| panic!("{}: {fault}", schema.name));
    }
    assert!(named("no-such-schema").is_none());
}

#[test]
fn every_property_is_described_and_every_required_one_exists() {
    let mut seen = 0;
    for schema in ALL {
        let mut found = Vec::new();
        properties(schema.name, &parsed(schema.name), &mut found);
        seen += found.len();
        for (path, property) in found {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(text.ends_with('.'), "{path} is not described");
            for required in property["required"].as_array().into_iter().flatten() {
                let name = required.as_str().unwrap();
                assert!(property["properties"][name].is_object(), "{path}/{name}");
            }
        }
    }
    assert!(seen > 150, "only {seen} properties were found");
}

#[test]
fn the_examples_of_every_schema_satisfy_it() {
    for schema in ALL {
        let value = parsed(schema.name);
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&value)
            .unwrap();
        let examples = value["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{}", schema.name);
        for example in examples {
            if let Err(fault) = validator.validate(example) {
                panic!("{} at {}: {fault}", schema.name, fault.instance_path());
            }
        }
    }
}

#[test]
fn an_open_incident_is_described_as_in_its_alert() {
    let [alert, active] = ["alert", "active"].map(parsed);
    assert_eq!(alert["properties"]["data"], active["items"]);
    let [info, state] = ["info", "state"].map(parsed);
    let data = &active["items"]["properties"];
    let profile = &info["properties"]["cameras"]["items"]["properties"]["profile"];
    assert_eq!(data["profile"], *profile);
    assert_eq!(
        data["scene"]["properties"],
        state["properties"]["scene"]["properties"]
    );
}

#[test]
fn asyncapi_names_every_schema_and_no_file_that_is_missing() {
    let references = values(ASYNCAPI, "$ref");
    let (files, inside): (Vec<&str>, Vec<&str>) = references
        .into_iter()
        .partition(|reference| !reference.starts_with('#'));
    let named: BTreeSet<String> = files
        .iter()
        .map(|file| file.strip_prefix("./").unwrap().to_owned())
        .collect();
    let exist: BTreeSet<String> = ALL.iter().map(Schema::file).collect();
    assert_eq!(named, exist);
    // The rest point into the file itself: `#/components/messages/alert`.
    assert!(inside.len() > 60);
    for reference in inside {
        let mut text = ASYNCAPI.to_owned();
        for (depth, key) in reference.split('/').skip(1).enumerate() {
            text = block(&text, &"  ".repeat(depth), key);
            assert!(!text.is_empty(), "{reference} points to nothing");
        }
    }
}

/// Every topic that the program knows, with those of one camera.
fn topics() -> BTreeSet<String> {
    let (prefix, node): (Prefix, Name) = (Prefix::default(), "press".parse().unwrap());
    let topics = Topics::new(&prefix, &node);
    let camera = topics.camera(&"cam0".parse().unwrap());
    let discovery = Prefix::try_from("homeassistant".to_owned()).unwrap();
    let mut all = BTreeSet::from([
        topics.availability(),
        topics.info(),
        topics.health(),
        camera.availability.clone(),
        camera.state.clone(),
        camera.alert.clone(),
        camera.active.clone(),
        camera.snapshot.clone(),
        camera.heatmap.clone(),
        homeassistant_config(&discovery, &node),
        homeassistant_status(&discovery),
    ]);
    all.extend(Verb::ALL.map(|verb| topics.request(verb)));
    all.extend(Verb::ALL.map(|verb| topics.response(verb)));
    all.extend(Control::ALL.map(|control| camera.set(control)));
    all.extend(Control::ALL.map(|control| camera.state_of(control)));
    all
}

#[test]
fn asyncapi_says_of_every_topic_that_may_be_cleared_what_an_empty_payload_means() {
    let topics = Topics::new(&Prefix::default(), &"press".parse().unwrap());
    let mut cleared = topics.camera(&"cam0".parse().unwrap()).clear();
    cleared.extend(topics.clear());
    assert_eq!(cleared.len(), 8 + 3);
    let channels: Vec<&str> = ASYNCAPI.split("    address: '").skip(1).collect();
    for message in cleared {
        let level = message.topic.replace("inspectd/press/", "");
        let level = level.replace("cam0", "{camera}");
        let channel = channels
            .iter()
            .find(|channel| channel.starts_with(&format!("{{prefix}}/{{node}}/{level}'")));
        let channel = channel.unwrap_or_else(|| panic!("{level} is not described"));
        let (described, _) = channel.split_once("messages:").unwrap();
        assert!(
            described.contains("An empty payload removes the retained message"),
            "{level}: {described}"
        );
    }
}

#[test]
fn asyncapi_has_the_topics_of_the_program_and_no_others() {
    let mut described = BTreeSet::new();
    for address in values(ASYNCAPI, "address") {
        let topic = address
            .replace("{prefix}", "inspectd")
            .replace("{node}", "press")
            .replace("{camera}", "cam0")
            .replace("{discovery}", "homeassistant");
        if topic.contains("{verb}") {
            described.extend(Verb::ALL.map(|verb| topic.replace("{verb}", verb.as_str())));
        } else {
            described.insert(topic);
        }
    }
    assert_eq!(described, topics());
}
