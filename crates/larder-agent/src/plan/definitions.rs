//! What names mean: jobs, commands and executors of the config and of the orbs inside it.

use super::error::{Mistake, Position, quoted};
use super::fields::suggestion;
use super::node::{Map, Node};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What helps where only the vendor's tool can expand a config.
pub(super) const EXPAND_FIRST: &str =
    "expand the config first: circleci config process CONFIG | larder run -";

/// The config itself, or an orb inside it: names are looked up in one of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Home(usize);

impl Home {
    /// The config itself.
    pub(super) const CONFIG: Self = Self(0);
}

/// What a name can be the name of.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Noun {
    Job,
    Command,
    Executor,
}

impl Noun {
    fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Command => "command",
            Self::Executor => "executor",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Job => "jobs",
            Self::Command => "commands",
            Self::Executor => "executors",
        }
    }
}

/// A definition, and where the names in it are looked up.
pub(super) struct Found {
    pub(super) home: Home,
    pub(super) node: Node,
}

pub(super) struct Definitions {
    homes: Vec<Names>,
}

struct Names {
    nouns: [Option<Rc<Map>>; 3],
    orbs: BTreeMap<String, Orb>,
}

enum Orb {
    Inside(Home),
    /// Known to the vendor only.
    Outside(String),
}

impl Definitions {
    pub(super) fn of_config(config: &Map) -> Result<Self, Mistake> {
        let mut definitions = Self { homes: Vec::new() };
        definitions.add(config)?;
        Ok(definitions)
    }

    fn add(&mut self, map: &Map) -> Result<Home, Mistake> {
        let home = Home(self.homes.len());
        let nouns =
            [Noun::Job, Noun::Command, Noun::Executor].map(|noun| section(map, noun.words()));
        let [jobs, commands, executors] = nouns;
        self.homes.push(Names {
            nouns: [jobs?, commands?, executors?],
            orbs: BTreeMap::new(),
        });
        for entry in section(map, "orbs")?.iter().flat_map(|orbs| orbs.entries()) {
            let orb = match (entry.value.as_map(), entry.value.as_text()) {
                (Some(inside), _) => Orb::Inside(self.add(inside)?),
                (None, Some(address)) => Orb::Outside(address.to_owned()),
                (None, None) => {
                    let message = format!(
                        "the orb {}: expected its address or its definition, found {}",
                        quoted(&entry.key),
                        entry.value.kind()
                    );
                    return Err(Mistake::at(entry.place, message));
                }
            };
            self.homes[home.0].orbs.insert(entry.key.to_string(), orb);
        }
        Ok(home)
    }

    /// The definition of `name` as it is known in `home`. An orb that only the vendor knows is a
    /// mistake, and so is a name that an orb inside the config does not have.
    pub(super) fn find(
        &self,
        home: Home,
        noun: Noun,
        name: &str,
        place: Position,
    ) -> Result<Option<Found>, Mistake> {
        let names = &self.homes[home.0];
        if let Some(node) = names.node(noun, name) {
            return Ok(Some(Found {
                home,
                node: node.clone(),
            }));
        }
        let Some((orb, rest)) = name.split_once('/') else {
            return Ok(None);
        };
        match names.orbs.get(orb) {
            None => Ok(None),
            Some(Orb::Inside(inside)) => {
                if let Some(found) = self.find(*inside, noun, rest, place)? {
                    return Ok(Some(found));
                }
                let near = suggestion(rest, self.homes[inside.0].keys(noun), noun.words());
                let message = format!(
                    "the orb `{orb}` has no {} {}{near}",
                    noun.word(),
                    quoted(rest)
                );
                Err(Mistake::at(place, message).within(name))
            }
            Some(Orb::Outside(address)) => Err(Mistake::at(
                place,
                format!(
                    "{} comes from the orb {}, which cannot be read here",
                    quoted(name),
                    quoted(address)
                ),
            )
            .within(name)
            .with_hint(EXPAND_FIRST)),
        }
    }

    /// `find`, where nothing found is a mistake.
    pub(super) fn known(
        &self,
        home: Home,
        noun: Noun,
        name: &str,
        place: Position,
    ) -> Result<Found, Mistake> {
        self.find(home, noun, name, place)?.ok_or_else(|| {
            let near = suggestion(name, self.homes[home.0].keys(noun), noun.words());
            let message = format!("there is no {} {}{near}", noun.word(), quoted(name));
            Mistake::at(place, message).within(name)
        })
    }

    /// Whether an orb that only the vendor knows would have it.
    pub(super) fn is_outside(&self, name: &str) -> bool {
        let orb = name.split_once('/').map(|(orb, _)| orb);
        let known = orb.and_then(|orb| self.homes[0].orbs.get(orb));
        matches!(known, Some(Orb::Outside(_)))
    }

    /// Names of the nouns of one home, in the order of the text.
    pub(super) fn names(&self, home: Home, noun: Noun) -> impl Iterator<Item = &str> + Clone {
        self.homes[home.0].keys(noun)
    }
}

impl Names {
    fn map(&self, noun: Noun) -> Option<&Rc<Map>> {
        let index = match noun {
            Noun::Job => 0,
            Noun::Command => 1,
            Noun::Executor => 2,
        };
        self.nouns[index].as_ref()
    }

    fn node(&self, noun: Noun, name: &str) -> Option<&Node> {
        self.map(noun)?.node(name)
    }

    fn keys(&self, noun: Noun) -> impl Iterator<Item = &str> + Clone {
        self.map(noun)
            .into_iter()
            .flat_map(|map| map.entries())
            .map(|entry| &*entry.key)
    }
}

/// A map at the top of the config or of an orb; nothing if it is left out.
pub(super) fn section(map: &Map, name: &str) -> Result<Option<Rc<Map>>, Mistake> {
    let Some(node) = map.node(name).filter(|node| !node.is_null()) else {
        return Ok(None);
    };
    match node.as_map() {
        Some(map) => Ok(Some(Rc::clone(map))),
        None => Err(Mistake::at(
            node.place,
            format!(
                "`{name}`: expected a map (lines of `key: value`), found {}",
                node.kind()
            ),
        )),
    }
}
