//! The shapes of a config's YAML, as `docs/api/circleci.md` spells them. Nothing is
//! interpreted here; `convert.rs` does that.

use serde::Deserialize as DeriveDeserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

/// Keys that are not named here are allowed at the top: configs keep their anchors there.
#[derive(DeriveDeserialize)]
pub(super) struct ConfigFile {
    pub(super) version: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) jobs: BTreeMap<String, Spanned<JobShape>>,
    #[serde(default)]
    pub(super) commands: Keys,
    #[serde(default)]
    pub(super) executors: BTreeMap<String, Spanned<ExecutorShape>>,
    #[serde(default)]
    pub(super) orbs: Keys,
}

#[derive(DeriveDeserialize)]
pub(super) struct JobShape {
    #[serde(default)]
    pub(super) docker: Vec<DockerImage>,
    pub(super) machine: Option<IgnoredAny>,
    pub(super) macos: Option<IgnoredAny>,
    pub(super) executor: Option<Spanned<ExecutorName>>,
    pub(super) parameters: Option<Spanned<Keys>>,
    pub(super) shell: Option<Spanned<String>>,
    pub(super) working_directory: Option<Spanned<String>>,
    pub(super) parallelism: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) environment: Environment,
    pub(super) steps: Option<Vec<Spanned<StepShape>>>,
}

#[derive(DeriveDeserialize)]
pub(super) struct ExecutorShape {
    #[serde(default)]
    pub(super) docker: Vec<DockerImage>,
    pub(super) parameters: Option<IgnoredAny>,
    pub(super) shell: Option<Spanned<String>>,
    pub(super) working_directory: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) environment: Environment,
}

#[derive(DeriveDeserialize)]
pub(super) struct DockerImage {
    #[serde(default)]
    pub(super) environment: Environment,
}

/// A map of which only the keys matter.
#[derive(Default)]
pub(super) struct Keys(pub(super) Vec<String>);

/// `executor: NAME` or `executor: {name: NAME, …parameters}`.
pub(super) struct ExecutorName {
    pub(super) name: String,
    pub(super) has_parameters: bool,
}

/// A map, or a list of maps or of `NAME=value`; later entries win.
#[derive(Default)]
pub(super) struct Environment(pub(super) Vec<(String, String)>);

pub(super) enum StepShape {
    Bare(String),
    Checkout(CheckoutShape),
    Run(RunShape),
    StoreArtifacts(StoreShape),
    Other(String),
}

#[derive(Default, DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckoutShape {
    pub(super) path: Option<String>,
    /// `full` or `blobless`: how git fetches; there is nothing to fetch here.
    #[serde(rename = "method")]
    pub(super) _method: Option<IgnoredAny>,
}

#[derive(DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunShape {
    pub(super) command: String,
    pub(super) name: Option<String>,
    pub(super) shell: Option<String>,
    #[serde(default)]
    pub(super) environment: Environment,
    pub(super) background: Option<bool>,
    pub(super) working_directory: Option<String>,
    pub(super) no_output_timeout: Option<Spanned<String>>,
    pub(super) when: Option<Spanned<String>>,
    /// A failed step is not run again here: the failure is what one wants to see.
    #[serde(rename = "max_auto_reruns")]
    pub(super) _max_auto_reruns: Option<IgnoredAny>,
    #[serde(rename = "auto_rerun_delay")]
    pub(super) _auto_rerun_delay: Option<IgnoredAny>,
}

#[derive(DeriveDeserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreShape {
    pub(super) path: String,
    pub(super) destination: Option<String>,
    pub(super) name: Option<String>,
    pub(super) when: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for StepShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = StepShape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a step: the name of one, or a map with one key such as `run`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<StepShape, E> {
        Ok(match name {
            "checkout" => StepShape::Checkout(CheckoutShape::default()),
            _ => StepShape::Bare(name.to_owned()),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StepShape, A::Error> {
        let Some(key) = map.next_key::<String>()? else {
            return Err(A::Error::custom(
                "an empty map; expected a step such as `run`",
            ));
        };
        let step = match key.as_str() {
            "run" => StepShape::Run(map.next_value::<RunOrText>()?.0),
            "checkout" => StepShape::Checkout(
                map.next_value::<Option<CheckoutShape>>()?
                    .unwrap_or_default(),
            ),
            "store_artifacts" => StepShape::StoreArtifacts(map.next_value()?),
            _ => {
                map.next_value::<IgnoredAny>()?;
                StepShape::Other(key.clone())
            }
        };
        match map.next_key::<String>()? {
            None => Ok(step),
            Some(second) => Err(A::Error::custom(format!(
                "a step has one key, but after `{key}` comes `{second}`; indent what belongs to `{key}` below it"
            ))),
        }
    }
}

struct RunOrText(RunShape);

impl<'de> Deserialize<'de> for RunOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RunVisitor)
    }
}

struct RunVisitor;

impl<'de> Visitor<'de> for RunVisitor {
    type Value = RunOrText;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a command, or a map with `command`")
    }

    fn visit_str<E: Error>(self, command: &str) -> Result<RunOrText, E> {
        Ok(RunOrText(RunShape {
            command: command.to_owned(),
            name: None,
            shell: None,
            environment: Environment::default(),
            background: None,
            working_directory: None,
            no_output_timeout: None,
            when: None,
            _max_auto_reruns: None,
            _auto_rerun_delay: None,
        }))
    }

    // `run: true` and `run: false` are commands too.
    fn visit_bool<E: Error>(self, command: bool) -> Result<RunOrText, E> {
        self.visit_str(if command { "true" } else { "false" })
    }

    fn visit_unit<E: Error>(self) -> Result<RunOrText, E> {
        Err(E::custom(
            "`run` is empty; expected a command, or `command` indented below it",
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RunOrText, A::Error> {
        RunShape::deserialize(MapAccessDeserializer::new(map)).map(RunOrText)
    }
}

impl<'de> Deserialize<'de> for ExecutorName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = ExecutorName;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of an executor, or a map with `name`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<ExecutorName, E> {
                Ok(ExecutorName {
                    name: name.to_owned(),
                    has_parameters: false,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ExecutorName, A::Error> {
                let mut name = None;
                let mut has_parameters = false;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "name" {
                        name = Some(map.next_value::<String>()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                        has_parameters = true;
                    }
                }
                let name = name.ok_or_else(|| A::Error::missing_field("name"))?;
                Ok(ExecutorName {
                    name,
                    has_parameters,
                })
            }
        }
        deserializer.deserialize_any(Names)
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Keys;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_unit<E: Error>(self) -> Result<Keys, E> {
                Ok(Keys::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_any(Names)
    }
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Variables;
        impl<'de> Visitor<'de> for Variables {
            type Value = Environment;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map from names of variables to values")
            }

            fn visit_unit<E: Error>(self) -> Result<Environment, E> {
                Ok(Environment::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Environment, A::Error> {
                let mut variables = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value = map.next_value::<Option<String>>()?.unwrap_or_default();
                    variables.push((name, value));
                }
                Ok(Environment(variables))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Environment, A::Error> {
                let mut variables = Vec::new();
                while let Some(Environment(some)) = list.next_element()? {
                    variables.extend(some);
                }
                Ok(Environment(variables))
            }

            fn visit_str<E: Error>(self, pair: &str) -> Result<Environment, E> {
                match pair.split_once('=') {
                    Some((name, value)) => {
                        Ok(Environment(vec![(name.to_owned(), value.to_owned())]))
                    }
                    None => Err(E::custom(format!("`{pair}`: expected NAME=value or a map"))),
                }
            }
        }
        deserializer.deserialize_any(Variables)
    }
}
